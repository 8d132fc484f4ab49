"""Vocabulary shared by every room."""
