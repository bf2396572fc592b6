"""What AWS holds of a service, and what this tool owns."""
