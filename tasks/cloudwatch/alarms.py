"""CloudWatch alarms: their states."""

from collections.abc import Sequence
from typing import Any

from config.aws import AwsConfig
from tasks.aws.clients import client

__all__ = ["read_alarms"]


def read_alarms(aws: AwsConfig, names: Sequence[str]) -> dict[str, str]:
    """
    Read the state of alarms by name; one that does not exist is left out.

    Source: CloudWatch DescribeAlarms.
    """
    if not names:
        return {}
    pages = client(aws, "cloudwatch").get_paginator("describe_alarms")
    found = pages.paginate(
        AlarmNames=list(names),
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
    ).build_full_result()
    alarms: list[Any] = found["MetricAlarms"] + found["CompositeAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
