"""Compiled formulas and state machines over arrays; no domain types."""
