"""The resources that a split owns, by their tags: what a rollback uses, and a teardown removes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.aws.tags import ADOPTED, CONFIG, MANAGED_BY, SERVICE, TOOL, Owner
from tasks.aws.task import aws_task
from tasks.cloudwatch.log_group import read_log_group
from tasks.ecr.repository import read_repository
from tasks.ecs.revisions import read_own_revisions
from tasks.ecs.service import read_service
from tasks.elbv2.rule_matching import PATH, Rule, own_preview_rules, own_rules
from tasks.elbv2.tags import read_tags
from tasks.elbv2.target_group import read_target_group, read_target_group_arns
from tasks.iam.task_role import read_task_role

__all__ = ["OwnedResources", "former_service", "read_former_services", "read_owned"]


@dataclass(frozen=True)
class OwnedResources:
    """
    The resources of one service that this split made, by their tags.

    Others with such names are not among them, nor are resources that were adopted, nor what an
    adopted ECS service runs on.
    """

    service: str
    path_rules: tuple[Rule, ...]
    private_rules: tuple[Rule, ...]
    """Preview and control rules, left by a killed run."""
    ecs_service: str | None
    """Name, as of the others below."""
    adopted: bool
    """Whether the ECS service existed before the split: it stays, with all that it runs on."""
    revisions: tuple[str, ...]
    """ARNs."""
    log_group: str | None
    task_role: str | None
    repository: str | None
    target_group: str | None
    target_group_arn: str | None
    """Also of one that was adopted."""
    load_balancers: tuple[str, ...]
    """ARNs of the load balancers whose rules name the target group."""

    @property
    def resources(self) -> list[tuple[str, str]]:
        """Kind and name of each, in the order in which they can be deleted."""
        rules = [*self.private_rules, *self.path_rules]
        found = [("listener rule", rule.label) for rule in rules]
        if not self.adopted:
            found += self._named_resources()
        return found

    def _named_resources(self) -> Iterator[tuple[str, str]]:
        """Kind and name of those that an adopted service needs."""
        if self.ecs_service:
            yield "ECS service", self.ecs_service
        for arn in self.revisions:
            yield "task definition", arn.rpartition("/")[2]
        if self.log_group:
            yield "log group", self.log_group
        if self.task_role:
            yield "IAM role", self.task_role
        if self.repository:
            yield "ECR repository", self.repository
        if self.target_group:
            yield "target group", self.target_group


@aws_task("find resources of {service.name}")
def read_owned(
    aws: AwsConfig, cluster_arn: str, rules: Sequence[Rule], service: ServiceConfig, owner: Owner
) -> OwnedResources:
    """
    Find the resources that a split owns of a service.

    Args:
        aws: Where AWS is.
        cluster_arn: The cluster.
        rules: All rules of the listener.
        service: The service.
        owner: Whose resources are looked for.

    Source: Describe calls of ECR, CloudWatch Logs, IAM, ECS and ELBv2.
    """
    ecs_tags = _read_service_tags(aws, cluster_arn, service.name)
    owned = owner.owns(ecs_tags)
    group = _read_own_target_group(aws, service.target_group, owner) or {}
    return OwnedResources(
        service=service.name,
        path_rules=tuple(own_rules(rules, owner, PATH).values()),
        private_rules=own_preview_rules(rules, owner),
        ecs_service=service.name if owned else None,
        adopted=owned and ADOPTED in ecs_tags,
        revisions=tuple(read_own_revisions(aws, service.family, owner)),
        log_group=_read_own_log_group(aws, service.log_group, owner),
        task_role=_read_own_task_role(aws, service.task_role, owner),
        repository=_read_own_repository(aws, service.name, owner),
        target_group=service.target_group if owner.made(group.get("Tags", {})) else None,
        target_group_arn=group.get("TargetGroupArn"),
        load_balancers=tuple(group.get("LoadBalancerArns", ())),
    )


def _read_service_tags(aws: AwsConfig, cluster_arn: str, name: str) -> Mapping[str, str]:
    """The tags of the ECS service; none when it does not exist."""
    service = read_service(aws, cluster_arn, name)
    return service["tags"] if service else {}


def _read_own_target_group(aws: AwsConfig, name: str, owner: Owner) -> dict[str, Any] | None:
    """ELBv2's description of the target group, if the owner has it."""
    group = read_target_group(aws, name)
    return group if group and owner.owns(group["Tags"]) else None


def _read_own_log_group(aws: AwsConfig, name: str, owner: Owner) -> str | None:
    """Name of the log group, if the owner made it."""
    group = read_log_group(aws, name)
    return name if group and owner.made(group["tags"]) else None


def _read_own_task_role(aws: AwsConfig, name: str, owner: Owner) -> str | None:
    """Name of the task role, if the owner made it."""
    role = read_task_role(aws, name)
    return name if role and owner.made(role["Tags"]) else None


def _read_own_repository(aws: AwsConfig, name: str, owner: Owner) -> str | None:
    """Name of the repository, if the owner made it."""
    repository = read_repository(aws, name)
    return name if repository and owner.made(repository.fields["tags"]) else None


def former_service(name: str) -> ServiceConfig:
    """A service that is not in the config any more; its name gives those of its resources."""
    return ServiceConfig(name=name, path_patterns=("/*",), image="none")


@aws_task("find former services of {split}")
def read_former_services(
    aws: AwsConfig, split: str, rules: Sequence[Rule], known: Sequence[str]
) -> list[str]:
    """
    Find services that a split still owns resources of, but has no more in its config.

    They are found by their rules and target groups; a teardown deletes the target group last.

    Source: ELBv2 DescribeTargetGroups, DescribeTags.
    """
    elb = client(aws, "elbv2")
    try:
        tagged = _read_target_group_tags(aws)
    except elb.exceptions.TargetGroupNotFoundException:
        # One was deleted between the two calls.
        tagged = _read_target_group_tags(aws)
    tagged += [rule.tags for rule in rules]
    names = {_service_of(tags, split) for tags in tagged}
    return sorted(names - {"", *known})


def _service_of(tags: Mapping[str, str], split: str) -> str:
    """Name of the split's service that a resource belongs to; empty when it is not the split's."""
    if tags.get(MANAGED_BY) != TOOL or tags.get(CONFIG) != split:
        return ""
    return tags.get(SERVICE, "")


def _read_target_group_tags(aws: AwsConfig) -> list[Mapping[str, str]]:
    """The tags of each target group of the region."""
    arns = read_target_group_arns(aws)
    return list(read_tags(aws, arns).values())
