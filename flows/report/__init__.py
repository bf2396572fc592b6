"""The results of a run: tables, summary, HTML page and Prefect artifacts."""
