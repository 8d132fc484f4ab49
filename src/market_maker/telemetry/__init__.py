"""Metrics, logs and the live view, derived from events and readings."""
