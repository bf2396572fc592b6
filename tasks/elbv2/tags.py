"""Tags of ELBv2 resources, read for many at once."""

from collections.abc import Sequence
from typing import Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.tags import tag_dict

__all__ = ["read_tags"]

_PER_CALL: Final = 20


def read_tags(aws: AwsConfig, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """
    Read the tags of rules, target groups, listeners or load balancers, by ARN.

    Source: ELBv2 DescribeTags.
    """
    elb = client(aws, "elbv2")
    tags = {}
    for start in range(0, len(arns), _PER_CALL):
        part = arns[start : start + _PER_CALL]
        for described in elb.describe_tags(ResourceArns=part)["TagDescriptions"]:
            tags[described["ResourceArn"]] = tag_dict(described["Tags"])
    return tags
