"""
How soon a service is known to be stable and healthy: boto3's waiters, which the AWS CLI's `wait`
uses too, and ours.

Both look at the same thing: the monolith of a sandbox, right after its deployment is forced anew.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
import yaml

from benchmarks.programs import Sandbox
from config.aws import AwsConfig
from tasks.ecs.wait import wait_until_healthy

__all__ = ["compare_waiting"]

_LOOKS: Final = ("DescribeServices", "DescribeTargetHealth", "DescribeTaskDefinition")


def compare_waiting(sandbox: Sandbox) -> dict[str, dict[str, float]]:
    """Seconds until each knows, and how many calls it made for that, by who waited."""
    config = yaml.safe_load(Path(sandbox.state["config"]).read_text(encoding="utf-8"))
    aws = AwsConfig.model_validate(config["aws"])
    core = botocore.session.Session()
    core.set_config_variable("credentials_file", str(aws.shared_credentials_file))
    session = boto3.Session(botocore_session=core, region_name=aws.region)
    ecs = session.client("ecs", endpoint_url=aws.endpoint_url)
    elb = session.client("elbv2", endpoint_url=aws.endpoint_url)
    cluster, service = config["cluster"], config["monolith"]["service"]
    found = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
    group = found["loadBalancers"][0]["targetGroupArn"]

    def by_boto3() -> None:
        ecs.get_waiter("services_stable").wait(cluster=cluster, services=[service])
        elb.get_waiter("target_in_service").wait(TargetGroupArn=group)

    def by_us() -> None:
        asyncio.run(
            wait_until_healthy.fn(aws, cluster, service, found["taskDefinition"], group, 300.0)
        )

    def deploy() -> None:
        ecs.update_service(cluster=cluster, service=service, forceNewDeployment=True)

    waiters: dict[str, Callable[[], None]] = {"boto3's waiters": by_boto3, "ours": by_us}
    return {name: _measure(sandbox, deploy, wait) for name, wait in waiters.items()}


def _measure(
    sandbox: Sandbox, deploy: Callable[[], Any], wait: Callable[[], None]
) -> dict[str, float]:
    deploy()
    before, began = len(sandbox.calls()), time.perf_counter()
    wait()
    seconds = time.perf_counter() - began
    calls = [call for call in sandbox.calls()[before:] if call["action"] in _LOOKS]
    return {"seconds": seconds, "calls": len(calls)}
