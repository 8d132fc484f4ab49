"""Ports to the outside: one protocol, several venues."""
