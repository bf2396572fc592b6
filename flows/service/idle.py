"""Sees that nothing reaches a service any more."""

import asyncio
import time

from config.service import ServiceConfig
from config.split import SplitConfig
from flows.record.events import emit
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests

__all__ = ["see_it_idle"]


async def see_it_idle(
    config: SplitConfig, load_balancer_arn: str, service: ServiceConfig, target_group_arn: str
) -> None:
    """
    Wait until the metrics show a whole period without a request, or say that there are some still.

    Args:
        config: The split.
        load_balancer_arn: The load balancer.
        service: The service, whose weights are 0.
        target_group_arn: Its target group.
    """
    gates = config.traffic_of(service).gates
    group = TargetGroupRef.of(load_balancer_arn, target_group_arn)
    since = time.time() + gates.metrics_period
    deadline = since + gates.metrics_lag + 10 * gates.metrics_period
    while (now := time.time()) < deadline:
        await asyncio.sleep(min(gates.metrics_period, 5))
        until = now - gates.metrics_lag
        start = until - gates.metrics_period
        if start < since:
            continue
        if await call(count_requests, config.aws, group, start, until, gates.metrics_period) == 0:
            emit("note", service.name, "no request reaches it any more")
            return
    emit(
        "note",
        service.name,
        "requests still reach it: connections or the tool's probes; the weights are 100/0",
    )
