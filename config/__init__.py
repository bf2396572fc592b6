"""The user's configuration: frozen pydantic models, loading, JSON Schema."""
