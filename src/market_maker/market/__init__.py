"""What the market looks like."""
