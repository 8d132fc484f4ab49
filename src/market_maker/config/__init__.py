"""Settings: one model per component, loaded with file and line in every error."""
