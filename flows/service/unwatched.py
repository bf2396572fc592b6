"""Returns the traffic that an interrupted run has left at a service: no gate watches it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import botocore.exceptions

from config.errors import LockLost, MonolithOverloaded, SplitterError, StepFailed, TrafficConflict
from config.split import SplitConfig
from flows.service.placement import Placement
from flows.service.shift import roll_back_to_monolith
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.discovery import Discovered
from tasks.elbv2.lock import is_taken_over
from tasks.elbv2.rule import own_rules, read_rules
from tasks.elbv2.rule_matching import PATH, Rule
from tasks.elbv2.target_group import read_target_group
from tasks.elbv2.weights import service_share

__all__ = ["return_unwatched", "returned_after_failure"]

_ALL: Final = 100


@asynccontextmanager
async def returned_after_failure(
    config: SplitConfig, discovered: Discovered, owner: Owner
) -> AsyncIterator[None]:
    """
    After an error of the block, return what an earlier run has shifted in part.

    Args:
        config: The split.
        discovered: What the split only reads.
        owner: The service.

    Raises:
        StepFailed: That failed as well; the message has both errors.
    """
    try:
        yield
    except (TrafficConflict, LockLost, MonolithOverloaded):
        raise  # their messages state where traffic stays
    except BaseException as error:
        await asyncio.shield(_return_after(error, config, discovered, owner))
        raise


async def _return_after(
    error: BaseException, config: SplitConfig, discovered: Discovered, owner: Owner
) -> None:
    cancelled = isinstance(error, asyncio.CancelledError)
    why = _reason(error)
    try:
        await return_unwatched(config, discovered, owner, why, observe=not cancelled)
    except (
        SplitterError,
        botocore.exceptions.ClientError,
        botocore.exceptions.BotoCoreError,
    ) as failure:
        raise StepFailed(
            f"{why}; and the requests that {owner.service} gets could not be returned to "
            f"{config.monolith.service} ({failure}); run `python -m flows.rollback`"
        ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "run cancelled"
    if isinstance(error, SplitterError):
        return str(error)
    return f"{type(error).__name__}: {error}"


async def return_unwatched(
    config: SplitConfig, discovered: Discovered, owner: Owner, why: str, *, observe: bool = True
) -> bool:
    """
    Return a service's traffic to the monolith, if it has a part of it: a shift was interrupted.

    A service that has all of it had settled, and keeps it.

    Args:
        config: The split.
        discovered: What the split only reads.
        owner: The service.
        why: The reason, for messages.
        observe: Whether to wait until the metrics show it.

    Returns:
        Whether traffic was returned.

    Raises:
        TrafficConflict: Somebody else changed a rule; the others have returned.
    """
    if discovered.monolith.desired_count == 0:
        return False
    if await is_taken_over(config.aws, discovered.listener_arn):
        return False  # the weights are another run's
    placement = await _read_placement(config, discovered, owner)
    if placement is None:
        return False
    await roll_back_to_monolith(placement, why, observe=observe)
    return True


async def _read_placement(
    config: SplitConfig, discovered: Discovered, owner: Owner
) -> Placement | None:
    """Where the service is on the listener; None when it has no requests, or all of them."""
    service = config.service(owner.service)
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    path_rules = list(own_rules(rules, owner, PATH).values())
    group = await call(read_target_group, config.aws, service.target_group)
    if group is None or not _is_shared(path_rules, discovered, group["TargetGroupArn"]):
        return None
    route = discovered.route()
    return Placement(
        config=config,
        discovered=discovered,
        service=service,
        target_group_arn=group["TargetGroupArn"],
        rule_arns=tuple(rule.arn for rule in path_rules),
        user=route,
        preview=route,
        control=route,
    )


def _is_shared(path_rules: Sequence[Rule], discovered: Discovered, group: str) -> bool:
    """Whether a rule divides its requests between monolith and service."""
    monolith = discovered.monolith.target_group_arn
    shares = [service_share(rule, monolith, group) or 0 for rule in path_rules]
    return any(0 < share < _ALL for share in shares)
