"""A real Docker engine."""
