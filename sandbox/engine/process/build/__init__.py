"""From a Dockerfile and its context to an image."""
