"""What we own and owe: the only mutable trading state."""
