"""Many services at once: side by side in this process, or on a Prefect work pool."""
