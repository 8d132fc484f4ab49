"""Readings in, desired ladder out."""
