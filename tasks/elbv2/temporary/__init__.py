"""Rules that a run makes for itself, and that belong to no service."""
