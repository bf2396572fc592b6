"""The subflow of one service: prepare, place, verify, shift, settle."""

from prefect import flow

from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.service.capacity import record_monolith_size
from flows.service.placement import Placement, current_weight, placed
from flows.service.prepare import Prepared, prepare
from flows.service.proof.verify import verify_candidate, verify_public_route
from flows.service.rolling_update import roll_out
from flows.service.shift import shift_traffic
from flows.service.step.figures import pace_by_traffic
from flows.service.unwatched import returned_after_failure
from tasks.aws.call import call
from tasks.discovery import Discovered
from tasks.elbv2.target_group import read_target_health
from tasks.http.pacing import pace

__all__ = ["settle_service"]


@flow(name="settle service", flow_run_name="settle {name}", retries=0, persist_result=False)
async def settle_service(
    config: SplitConfig,
    name: str,
    discovered: Discovered,
    adopt: list[str] | None = None,
    *,
    approved: bool = True,
    image: str,
) -> ServiceOutcome:
    """
    Migrate one service out of the monolith.

    Args:
        config: The split.
        name: The service's name.
        discovered: What the split only reads.
        adopt: Services that may adopt existing resources.
        approved: Whether production traffic may be shifted to it; without approval it stops once
            it is verified.
        image: As planned: content tag of the image to build, or reference of a ready one.

    Raises:
        StepFailed: A step failed; the monolith serves the service's paths, unless the message says
            otherwise.
    """
    service = config.service(name)
    owner = owner_of(config, service, adopt or ())
    async with returned_after_failure(config, discovered, owner):
        emit("stage", name, "preparing")
        prepared = await prepare(config, discovered, service, owner, image)
        if discovered.monolith.desired_count == 0:
            # The monolith is drained: there is no traffic to shift, and none of it to measure.
            pace().allow(config.own_requests.rate(0))
            return await roll_out(config, discovered, service, owner, prepared)
        emit("stage", name, "placing")
        revision = prepared.task_definition
        async with placed(config, discovered, service, owner, revision) as placement:
            weight = await current_weight(placement)
            await pace_by_traffic(placement)
            emit("stage", name, "proving")
            await verify_candidate(placement, revision, weight)
            if weight == 0 and not approved:
                emit("stage", name, "proven")
                return prepared.outcome("proven", weight=0)
            emit("stage", name, "shifting")
            await record_monolith_size(placement)
            await shift_traffic(placement, weight)
            emit("stage", name, "settling")
            await verify_public_route(placement)
    return await _settle(placement, prepared)


async def _settle(placement: Placement, prepared: Prepared) -> ServiceOutcome:
    aws = placement.config.aws
    health = await call(read_target_health, aws, placement.target_group_arn)
    numbers = {"healthy_targets": health.healthy}
    emit("stage", placement.name, "settled", numbers=numbers)
    return prepared.outcome("settled", weight=100, health=health)
