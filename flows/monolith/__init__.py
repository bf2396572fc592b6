"""The monolith: draining and restoring it."""
