"""The evidence of a run: what the live client saw, the tables, and the HTML page."""
