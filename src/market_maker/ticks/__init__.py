"""Recorded market data: columns, files, and the thread that writes them."""
