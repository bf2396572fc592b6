"""The embedded engine: builds images without containers, and runs containers as processes."""
