"""The async shell around the synchronous core."""
