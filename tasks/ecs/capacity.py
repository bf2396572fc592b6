"""Whether the monolith is as large as it was before the first weight."""

from config.aws import AwsConfig
from tasks.ecs.service import read_service
from tasks.ecs.size_record import SizeRecord, recorded_size, scale_monolith
from tasks.elbv2.rule import read_rules

__all__ = ["raise_to_recorded", "read_record"]


def read_record(
    aws: AwsConfig, cluster: str, monolith: str, listener_arn: str, split: str
) -> SizeRecord | None:
    """
    Read the monolith's recorded size.

    Args:
        aws: Where AWS is.
        cluster: Name or ARN.
        monolith: ECS service name.
        listener_arn: The listener.
        split: Name of the split.

    Source: ECS DescribeServices; ELBv2 DescribeRules, DescribeTags.
    """
    service = read_service(aws, cluster, monolith) or {}
    rules = read_rules(aws, listener_arn)
    return recorded_size(service.get("tags", {}), rules, split)


def raise_to_recorded(
    aws: AwsConfig, cluster: str, monolith: str, listener_arn: str, split: str
) -> tuple[int, int] | None:
    """
    Raise the monolith's desired count to what this run found, by its tags; where it has none any
    more, to what the split's path rules record.

    Args:
        aws: Where AWS is.
        cluster: Name or ARN.
        monolith: ECS service name.
        listener_arn: The listener.
        split: Name of the split.

    Returns:
        The count before and after; None when it is large enough.

    Raises:
        ServiceUnhealthy: The monolith was deleted.

    Source: ECS DescribeServices, UpdateService; ELBv2 DescribeRules, DescribeTags.
    """
    service = read_service(aws, cluster, monolith)
    if service is None:
        return None
    record = SizeRecord.from_tags(service["tags"])
    if record is None:
        record = recorded_size({}, read_rules(aws, listener_arn), split)
    if record is None or not record.is_held:
        return None
    before = int(service["desiredCount"])
    if before >= record.desired_count:
        return None
    scale_monolith.plain(aws, cluster, monolith, record.desired_count)
    return before, record.desired_count
