"""Services, deployments and tasks as data, and what the scheduler decides."""
