"""Amazon ECS: services, task definitions, the size of the monolith, waits."""
