"""What a run needs around it: approval, cancellation, the Prefect server, child processes."""
