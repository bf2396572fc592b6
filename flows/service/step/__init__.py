"""One step of a shift: its gates, the tool's own requests, and the split that is observed."""
