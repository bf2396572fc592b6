"""Tags of ELBv2 resources, read for many at once."""

from collections.abc import Sequence
from typing import Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.parts import parts
from tasks.aws.tags import tag_dict

__all__ = ["read_tags"]

_PER_CALL: Final = 20


def read_tags(aws: AwsConfig, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """
    Read the tags of rules, target groups, listeners or load balancers, by ARN.

    Source: ELBv2 DescribeTags.
    """
    tags = {}
    for part in parts(arns, _PER_CALL):
        found = client(aws, "elbv2").describe_tags(ResourceArns=part)
        for described in found["TagDescriptions"]:
            arn = described["ResourceArn"]
            tags[arn] = tag_dict(described["Tags"])
    return tags
