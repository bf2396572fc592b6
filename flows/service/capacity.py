"""The monolith's size, which decides whether it can take a service's requests back."""

import botocore.exceptions

from config.errors import SplitterError
from flows.record.events import emit
from flows.service.placement import Placement
from tasks.aws.call import call
from tasks.ecs.capacity import raise_to_recorded, read_record
from tasks.ecs.size_record import record_on_rules

__all__ = ["raise_monolith", "record_monolith_size"]


async def record_monolith_size(placement: Placement) -> None:
    """Record the monolith's size on the service's path rules, before the first weight."""
    config = placement.config
    record = await call(
        read_record,
        placement.aws,
        placement.discovered.cluster_arn,
        config.monolith.service,
        placement.listener_arn,
        config.name,
    )
    if record:
        await record_on_rules(placement.aws, placement.rule_arns, record)


async def raise_monolith(placement: Placement) -> None:
    """
    Give a monolith that has become smaller its recorded size again, without waiting for it: before
    a step its requests move away from it, and after a failed one they return at once.

    A failed call is recorded and not raised: the weights matter more.
    """
    config = placement.config
    name = config.monolith.service
    cluster = placement.discovered.cluster_arn
    listener = placement.listener_arn
    try:
        counts = await call(raise_to_recorded, placement.aws, cluster, name, listener, config.name)
    except (
        SplitterError,
        botocore.exceptions.ClientError,
        botocore.exceptions.BotoCoreError,
    ) as error:
        emit("note", placement.name, f"{name} could not be given its former size: {error}")
        return
    if counts:
        before, after = counts
        text = f"{name} had fewer tasks than when this run began: desired count {before} -> {after}"
        emit("note", placement.name, text, numbers={"before": before, "desired_count": after})
