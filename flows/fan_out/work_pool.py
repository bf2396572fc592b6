"""
One service of a split as a deployment run on a Prefect work pool, so that hosts
share a split.
"""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Final
from uuid import UUID

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed

from config.errors import PreflightFailed, StepFailed
from config.split import SplitConfig
from flows.plan.owner import TAG
from flows.record.events import JOURNAL, start_record
from flows.record.outcome import Event, ServiceOutcome
from flows.runtime.config_source import ConfigSource, read_source
from flows.service.settle import settle_service
from tasks.aws.rate_limit import paced_across_workers
from tasks.aws.task import log
from tasks.discovery import discover

__all__ = ["check_work_pool", "settle_on_pool", "settle_on_worker"]

_DEPLOYMENT: Final = "settle-service/settle-service"
_POLL: Final = 2.0
_END_PATIENCE: Final = 60.0
_OPEN: Final = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
]


@flow(name="settle-service", flow_run_name="settle {name}", retries=0, persist_result=False)
async def settle_on_worker(
    config: ConfigSource,
    name: str,
    adopt: list[str] | None = None,
    *,
    approved: bool = True,
    image: str,
) -> ServiceOutcome:
    """
    Carve one service out of the monolith, as a part of a split that runs elsewhere and holds the
    listener.

    Args:
        config: The split.
        name: The service's name.
        adopt: Services that may take over what this split did not make.
        approved: Whether the service may get its first user.
        image: As planned: content tag of the image to build, or reference of a ready one.

    Raises:
        StepFailed: A step failed; the service's paths are the monolith's, unless the message says
            otherwise.
    """
    start_record()
    config = await read_source(config)
    with paced_across_workers(across=True):
        discovered = await discover(config)
        try:
            return await settle_service.fn(
                config, name, discovered, adopt, approved=approved, image=image
            )
        finally:
            await asyncio.shield(_publish_moments(config, name))


async def _publish_moments(config: SplitConfig, name: str) -> None:
    """What happened, for people, and for the split that waits for this run."""
    journal = JOURNAL.get()
    events = [asdict(event) for event in journal.events] if journal else []
    await acreate_table_artifact(
        table=events, key=_key(config, name), description=f"What happened to {name}"
    )


async def check_work_pool(config: SplitConfig) -> None:
    """
    See that services can be fanned out as the config says.

    Raises:
        PreflightFailed: The Prefect server has no deployment for them.
    """
    if config.fan_out != "work_pool":
        return
    async with get_client() as client:
        try:
            await client.read_deployment_by_name(_DEPLOYMENT)
        except ObjectNotFound:
            raise PreflightFailed(
                f"fan_out: work_pool needs the deployment {_DEPLOYMENT}, which the Prefect "
                f"server at {client.api_url} "
                "does not have; register it with `make deploy`, or choose in_process"
            ) from None


async def settle_on_pool(
    config: SplitConfig, name: str, adopt: list[str], *, approved: bool, image: str
) -> ServiceOutcome:
    """
    Carve one service out on whichever worker takes it.

    Raises:
        StepFailed: Its run did not complete.
    """
    async with get_client() as client:
        await _end_earlier_runs(client, config, name)
        run = await arun_deployment(
            _DEPLOYMENT,
            client=client,
            parameters={
                "config": config.model_dump(mode="json"),
                "name": name,
                "adopt": adopt,
                "approved": approved,
                "image": image,
            },
            tags=[TAG, *_tags(config, name)],
            timeout=0,
        )
        try:
            run = await _wait_until_ended(client, run.id)
        except asyncio.CancelledError:
            await asyncio.shield(_end(client, run.id))
            raise
        events = await _read_moments(client, run.id, _key(config, name))
    journal = JOURNAL.get()
    if journal:
        journal.adopt(events)
    if run.state is None or not run.state.is_completed():
        state = f"{run.state.name}: {run.state.message}" if run.state else "without a state"
        raise StepFailed(f"{name}: its run {run.name} on the work pool ended {state}")
    stages = [event.text for event in events if event.kind == "stage"]
    return ServiceOutcome(stage=stages[-1] if stages else "settled")


def _key(config: SplitConfig, name: str) -> str:
    """Of the artifact with a run's events."""
    return f"{config.name}-{name}-events"


def _tags(config: SplitConfig, name: str) -> list[str]:
    return [f"split:{config.name}", f"service:{name}"]


async def _wait_until_ended(
    client: PrefectClient, run_id: UUID, patience: float | None = None
) -> FlowRun:
    deadline = time.monotonic() + patience if patience else None
    while True:
        run = await client.read_flow_run(run_id)
        if run.state and run.state.is_final():
            return run
        if deadline and time.monotonic() > deadline:
            return run
        await asyncio.sleep(_POLL)


async def _end_earlier_runs(client: PrefectClient, config: SplitConfig, name: str) -> None:
    """A split that was killed leaves runs behind that may still be at work on the same service."""
    deployment = await client.read_deployment_by_name(_DEPLOYMENT)
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=_tags(config, name)),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN)),
        ),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
    )
    for run in found:
        log().warning("%s: ending %s, which an earlier split has left behind", name, run.name)
        await _end(client, run.id)


async def _end(client: PrefectClient, run_id: UUID) -> None:
    """
    Cancel a run, and wait until it has brought its traffic back; a run whose worker is gone cannot
    say so.
    """
    run = await client.read_flow_run(run_id)
    if run.state and run.state.is_final():
        return
    if run.state and run.state.is_scheduled():
        await client.set_flow_run_state(run_id, Cancelled(), force=True)
        return
    await client.set_flow_run_state(run_id, Cancelling())
    run = await _wait_until_ended(client, run_id, _END_PATIENCE)
    if run.state and not run.state.is_final():
        gone: State[None] = Crashed(
            message=(
                f"It did not end within {_END_PATIENCE:g} s of being cancelled: its worker is gone."
            )
        )
        await client.set_flow_run_state(run_id, gone, force=True)


async def _read_moments(client: PrefectClient, run_id: UUID, key: str) -> list[Event]:
    """A run that was killed has left none."""
    found = await client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]), key=ArtifactFilterKey(any_=[key])
        )
    )
    return [Event(**row) for artifact in found for row in json.loads(str(artifact.data))]
