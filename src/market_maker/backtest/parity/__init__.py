"""How far two sessions of the same period are apart, and why."""
