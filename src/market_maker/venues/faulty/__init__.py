"""A venue behind a network and an operator that fail on purpose, by a seed."""
