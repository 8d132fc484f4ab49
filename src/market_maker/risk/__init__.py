"""Every order passes here: limits, gate, kill switch."""
