"""What is asked of a service before any user reaches it."""
