"""What the user wants: frozen pydantic models, loading, JSON Schema."""
