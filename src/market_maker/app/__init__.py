"""Composition roots: the same bot wired to different venues, clocks and stores."""
