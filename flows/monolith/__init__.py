"""The monolith's end: drain, and the way to bring it back."""
