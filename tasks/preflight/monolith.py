"""Whether the monolith is deployed in a way that a split can work beside: pure."""

from collections.abc import Iterator

from config.monolith import MonolithConfig
from tasks.discovery import Monolith
from tasks.preflight.finding import Finding

__all__ = ["check_deployment"]


def check_deployment(config: MonolithConfig, cluster: str, monolith: Monolith) -> Iterator[Finding]:
    """
    Find what else changes the monolith's rules and target groups, or its number of tasks.

    Args:
        config: The monolith's section of the config.
        cluster: Name of its cluster.
        monolith: As it runs.
    """
    name = f"monolith.service: {monolith.service}"
    if monolith.managed_by != "CUSTOMER":
        yield Finding(
            f"{name} is an Express Mode service (resourceManagementType {monolith.managed_by}): "
            "ECS itself manages its load balancer and rules; only a service of the customer's own "
            "can be split"
        )
    if monolith.deployment_controller != "ECS":
        yield Finding(
            f"{name} is deployed by deploymentController {monolith.deployment_controller}, which "
            "moves the listener to another target group at every deployment; only services that "
            "ECS deploys by rolling updates can be split: recreate it with deploymentController "
            "ECS first"
        )
    elif monolith.deployment_strategy != "ROLLING":
        yield Finding(
            f"{name} is deployed with strategy {monolith.deployment_strategy}, which moves its "
            "rules to another target group at every deployment; switch it to rolling updates "
            f"first: `aws ecs update-service --cluster {cluster} --service {monolith.service} "
            "--deployment-configuration strategy=ROLLING`"
        )
    if monolith.scheduling_strategy == "DAEMON" and config.drain != "never":
        yield Finding(
            f"monolith.drain: {config.drain}, but {monolith.service} has schedulingStrategy "
            "DAEMON, and ECS scales no such service; set monolith.drain to never"
        )
