"""A market maker for crypto that a trader can leave alone with money."""

__version__ = "0.1.0"
