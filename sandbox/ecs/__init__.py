"""ECS services, tasks and deployments that really run; moto keeps clusters and task definitions."""
