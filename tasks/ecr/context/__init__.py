"""Build contexts: Dockerfile, .dockerignore, the files that are sent, and the base images."""
