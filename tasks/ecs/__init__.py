"""Amazon ECS: services, task definitions, scaling, waits."""
