"""`python -m flows.serve`: Prefect server, worker and database on this machine."""
