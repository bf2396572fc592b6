"""CloudWatch Logs: requests that AWS refuses."""
