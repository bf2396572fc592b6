"""The forum monolith, as it would have run in production before a split."""
