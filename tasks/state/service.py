"""All resources of one service, read at once: what plans, status and resumed runs start from."""

from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.tags import Owner
from tasks.aws.task import aws_task
from tasks.cloudwatch.log_group import read_log_group
from tasks.ecr.image import read_digest
from tasks.ecr.repository import ObservedRepository, read_repository
from tasks.ecs.service import read_service
from tasks.ecs.task_definition import read_task_definition
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import PATH, Rule, own_preview_rules, own_rules
from tasks.elbv2.target_group import TargetHealth, read_target_group, read_target_health
from tasks.iam.task_role import read_task_role

__all__ = ["ServiceState", "read_service_state"]


@dataclass(frozen=True)
class ServiceState:
    """AWS's descriptions of one service's resources; None for what does not exist."""

    repository: ObservedRepository | None
    digest: str | None
    """Of the image with the wanted tag."""
    log_group: dict[str, Any] | None
    task_role: dict[str, Any] | None
    task_definition: dict[str, Any] | None
    target_group: dict[str, Any] | None
    health: TargetHealth | None
    rules: tuple[Rule, ...]
    """All rules of the listener."""
    service: dict[str, Any] | None

    @property
    def target_group_arn(self) -> str | None:
        """ARN of the target group."""
        return str(self.target_group["TargetGroupArn"]) if self.target_group else None

    def path_rules(self, owner: Owner) -> dict[int, Rule]:
        """The service's path rules by chunk."""
        return own_rules(self.rules, owner, PATH)

    def preview_rules(self, owner: Owner) -> list[Rule]:
        """The service's preview and control rules."""
        return list(own_preview_rules(self.rules, owner))


@aws_task("read the state of {service.name}")
def read_service_state(
    aws: AwsConfig, cluster_arn: str, listener_arn: str, service: ServiceConfig, tag: str | None
) -> ServiceState:
    """
    Read every resource of a service.

    Args:
        aws: Where AWS is.
        cluster_arn: The cluster.
        listener_arn: The listener.
        service: The service.
        tag: Tag of the wanted image; None when the image is not built here.

    Source: Describe calls of ECR, CloudWatch Logs, IAM, ECS and ELBv2.
    """
    group = read_target_group(aws, service.target_group)
    return ServiceState(
        repository=read_repository(aws, service.name) if tag else None,
        digest=read_digest(aws, service.name, tag) if tag else None,
        log_group=read_log_group(aws, service.log_group),
        task_role=read_task_role(aws, service.task_role),
        task_definition=read_task_definition(aws, service.family),
        target_group=group,
        health=read_target_health(aws, str(group["TargetGroupArn"])) if group else None,
        rules=tuple(read_rules(aws, listener_arn)),
        service=read_service(aws, cluster_arn, service.name),
    )
