"""
What a split has made for one service, by the tags: what a rollback returns, and
a teardown removes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.aws.tags import ADOPTED, CONFIG, MANAGED_BY, SERVICE, TOOL, Owner, tag_dict
from tasks.aws.task import aws_task
from tasks.cloudwatch.log_group import read_log_group
from tasks.ecr.repository import read_repository
from tasks.ecs.revisions import read_own_revisions
from tasks.ecs.service import read_service
from tasks.elbv2.rule import own_rules
from tasks.elbv2.rule_matching import CONTROL, PATH, PREVIEW, Rule
from tasks.elbv2.target_group import read_target_group
from tasks.iam.task_role import read_task_role

__all__ = ["OwnedResources", "former_service", "read_former_services", "read_owned"]

_TAGS_PER_CALL = 20


@dataclass(frozen=True)
class OwnedResources:
    """
    The resources of one service that this split made, by their tags.

    Whatever else has such a name is not among them; neither is what was there before and was
    adopted, nor what an adopted ECS service runs on.
    """

    service: str
    path_rules: tuple[Rule, ...]
    private_rules: tuple[Rule, ...]
    """Preview and control rules: those of a run that was killed."""
    ecs_service: str | None
    """Name, as of the others below."""
    adopted: bool
    """
    Whether the ECS service was there before the split: it stays, and with it whatever it runs on.
    """
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
        rules = [("listener rule", rule.label) for rule in (*self.private_rules, *self.path_rules)]
        if self.adopted:
            return rules
        named = [
            ("ECS service", self.ecs_service),
            *(("task definition", arn.rpartition("/")[2]) for arn in self.revisions),
            ("log group", self.log_group),
            ("IAM role", self.task_role),
            ("ECR repository", self.repository),
            ("target group", self.target_group),
        ]
        return rules + [(kind, name) for kind, name in named if name]


@aws_task("look for what was made for {service.name}")
def read_owned(
    aws: AwsConfig, cluster_arn: str, rules: Sequence[Rule], service: ServiceConfig, owner: Owner
) -> OwnedResources:
    """
    Find what a split has made for a service.

    Args:
        aws: Where AWS is.
        cluster_arn: The cluster.
        rules: All rules of the listener.
        service: The service.
        owner: Whose resources are looked for.

    Source: Describe calls of ECR, CloudWatch Logs, IAM, ECS and ELBv2.
    """
    own = {
        role: tuple(own_rules(list(rules), owner, role).values())
        for role in (PATH, PREVIEW, CONTROL)
    }
    ecs_service = read_service(aws, cluster_arn, service.name)
    log_group = read_log_group(aws, service.log_group)
    role = read_task_role(aws, service.task_role)
    repository = read_repository(aws, service.name)
    group = read_target_group(aws, service.target_group)
    group = group if group and owner.owns(group["Tags"]) else None
    return OwnedResources(
        service=service.name,
        path_rules=own[PATH],
        private_rules=own[PREVIEW] + own[CONTROL],
        ecs_service=service.name if ecs_service and owner.owns(ecs_service["tags"]) else None,
        adopted=ecs_service is not None
        and owner.owns(ecs_service["tags"])
        and ADOPTED in ecs_service["tags"],
        revisions=tuple(read_own_revisions(aws, service.family, owner)),
        log_group=service.log_group if log_group and owner.made(log_group["tags"]) else None,
        task_role=service.task_role if role and owner.made(role["Tags"]) else None,
        repository=service.name if repository and owner.made(repository.fields["tags"]) else None,
        target_group=service.target_group if group and owner.made(group["Tags"]) else None,
        target_group_arn=str(group["TargetGroupArn"]) if group else None,
        load_balancers=tuple(group["LoadBalancerArns"]) if group else (),
    )


def former_service(name: str) -> ServiceConfig:
    """A service that the config has no more; its name tells the names of what was made for it."""
    return ServiceConfig(name=name, path_patterns=("/*",), image="none")


@aws_task("look for services that {split} has no more")
def read_former_services(
    aws: AwsConfig, split: str, rules: Sequence[Rule], known: Sequence[str]
) -> list[str]:
    """
    Names of services that a split has made something for, and that its config does not name any
    more.

    Their rules and target groups tell; a teardown deletes a service's target group last.

    Source: ELBv2 DescribeTargetGroups, DescribeTags.
    """
    elb = client(aws, "elbv2")
    try:
        tagged = [*(rule.tags for rule in rules), *_target_group_tags(aws)]
    except elb.exceptions.TargetGroupNotFoundException:
        # Somebody deleted one between the two calls.
        tagged = [*(rule.tags for rule in rules), *_target_group_tags(aws)]
    names = {
        tags[SERVICE]
        for tags in tagged
        if tags.get(MANAGED_BY) == TOOL and tags.get(CONFIG) == split and tags.get(SERVICE)
    }
    return sorted(names - set(known))


def _target_group_tags(aws: AwsConfig) -> list[dict[str, str]]:
    elb = client(aws, "elbv2")
    pages = elb.get_paginator("describe_target_groups").paginate()
    arns = [group["TargetGroupArn"] for page in pages for group in page["TargetGroups"]]
    chunks = (arns[start : start + _TAGS_PER_CALL] for start in range(0, len(arns), _TAGS_PER_CALL))
    found = (elb.describe_tags(ResourceArns=chunk)["TagDescriptions"] for chunk in chunks)
    return [tag_dict(item["Tags"]) for descriptions in found for item in descriptions]
