"""ECS services, tasks and deployments that really run; moto keeps clusters and task definitions."""

from sandbox.ecs.ecs import Ecs

__all__ = ["Ecs"]
