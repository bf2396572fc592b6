"""The HTML report: one page with its charts."""
