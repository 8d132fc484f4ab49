"""What a session was and what it says: its log, its statistics, its report."""
