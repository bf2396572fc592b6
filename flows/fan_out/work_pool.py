"""A service of a split as a deployment run on a Prefect work pool, so that hosts share a split."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
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
from flows.plan.owner import TAG, owner_of
from flows.record.journal import current_journal
from flows.record.outcome import Event, ServiceOutcome
from flows.runtime.config_source import ConfigSource
from flows.runtime.run import begin_run
from flows.service.settle import settle_service
from flows.service.unwatched import return_unwatched, returned_after_failure
from tasks.aws.rate_limit import paced_across_workers
from tasks.aws.tags import Owner
from tasks.aws.task import log
from tasks.discovery import Discovered, discover
from tasks.elbv2.lock import current_lock, work_under

__all__ = ["check_work_pool", "settle_on_pool", "settle_on_worker"]

_DEPLOYMENT: Final = "settle-service/settle-service"
_CRASH_AUTOMATION: Final = "ecs-splitter: a run whose worker is gone has crashed"
"""Of deployments/automations.yaml; without it the run of a dead worker never ends."""
_POLL: Final = 2.0
_END_PATIENCE: Final = 60.0
_START_PATIENCE: Final = 900.0
"""Seconds that a worker may take to begin a run: some start a container for it first."""
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
    lock: str | None = None,
) -> ServiceOutcome:
    """
    Move one service out of the monolith, as a part of a split that runs elsewhere and has locked
    the listener.

    Args:
        config: The split.
        name: The service's name.
        adopt: Services that may adopt resources that this split did not make.
        approved: Whether traffic may be shifted to the service.
        image: As planned: content tag of the image to build, or reference of a ready one.
        lock: ARN of the lock rule of the split.

    Raises:
        StepFailed: A step failed; the monolith serves the service's paths, unless the message
            states otherwise.
    """
    config = await begin_run(config)
    with paced_across_workers(across=True):
        discovered = await discover(config)
        if lock:
            work_under(discovered.listener_arn, lock)
        try:
            return await settle_service.fn(
                config,
                name,
                discovered,
                adopt,
                approved=approved,
                image=image,
            )
        finally:
            await asyncio.shield(_publish_events(config, name))


async def _publish_events(config: SplitConfig, name: str) -> None:
    """What happened, for people, and for the split that waits for this run."""
    events = [asdict(event) for event in current_journal().events]
    await acreate_table_artifact(
        table=events,
        key=_PoolRun(config, name).events_key,
        description=f"What happened to {name}",
    )


async def check_work_pool(config: SplitConfig) -> None:
    """
    Check that services can be fanned out as the config asks.

    Raises:
        PreflightFailed: The Prefect server has no deployment for them, or would not end the run of
            a dead worker.
    """
    if config.fan_out != "work_pool":
        return
    async with get_client() as client:
        try:
            await client.read_deployment_by_name(_DEPLOYMENT)
        except ObjectNotFound:
            raise PreflightFailed(
                f"fan_out: work_pool needs the deployment {_DEPLOYMENT}, which the Prefect server "
                f"at {client.api_url} does not have; register it with `make deploy`, or choose "
                "in_process"
            ) from None
        found = await client.read_automations_by_name(_CRASH_AUTOMATION)
        if not any(automation.enabled for automation in found):
            raise PreflightFailed(
                f"fan_out: work_pool needs the automation {_CRASH_AUTOMATION!r}, which ends the "
                f"run of a worker that is gone, and the Prefect server at {client.api_url} does "
                "not have it or has it switched off; register it with `make deploy` and switch it "
                "on, or choose in_process"
            )


@dataclass(frozen=True)
class _PoolRun:
    """The run of one service of a split on the work pool."""

    config: SplitConfig
    name: str

    @property
    def events_key(self) -> str:
        """Of the artifact with its events."""
        return f"{self.config.name}-{self.name}-events"

    @property
    def tags(self) -> list[str]:
        """By which a later split finds it."""
        return [f"split:{self.config.name}", f"service:{self.name}"]


async def settle_on_pool(
    config: SplitConfig,
    discovered: Discovered,
    name: str,
    adopt: list[str],
    *,
    approved: bool,
    image: str,
) -> ServiceOutcome:
    """
    Move one service out of the monolith on any worker of the pool.

    A run whose worker is gone leaves traffic at its service; it is returned here.

    Raises:
        StepFailed: Its run did not complete.
    """
    pool_run = _PoolRun(config, name)
    parameters = {
        "config": config.model_dump(mode="json"),
        "name": name,
        "adopt": adopt,
        "approved": approved,
        "image": image,
        "lock": current_lock(discovered.listener_arn),
    }
    owner = owner_of(config, config.service(name), adopt)
    async with get_client() as client:
        await _end_earlier_runs(client, pool_run)
        run = await arun_deployment(
            _DEPLOYMENT,
            client=client,
            parameters=parameters,
            tags=[TAG, *pool_run.tags],
            timeout=0,
        )
        try:
            run = await _wait_until_settled(client, run.id)
        except asyncio.CancelledError:
            await asyncio.shield(_cancel(client, run.id, config, discovered, owner))
            raise
        events = await _read_events(client, run.id, pool_run.events_key)
    current_journal().adopt(events)
    if not _has_completed(run):
        await _fail(run, config, discovered, owner)
    stages = [event.text for event in events if event.kind == "stage"]
    return ServiceOutcome.of(stages[-1] if stages else "settled")


async def _cancel(
    client: PrefectClient,
    run_id: UUID,
    config: SplitConfig,
    discovered: Discovered,
    owner: Owner,
) -> None:
    """A split that is cancelled cancels the runs that it waits for."""
    run = await _end(client, run_id)
    if _may_leave_traffic(run):
        await return_unwatched(config, discovered, owner, "run cancelled", observe=False)


async def _fail(run: FlowRun, config: SplitConfig, discovered: Discovered, owner: Owner) -> None:
    """
    Return the traffic that a run has left, if it could not do that itself.

    Raises:
        StepFailed: Always.
    """
    state = run.state
    ended = f"{state.name}: {state.message}" if state else "without a state"
    error = StepFailed(f"{owner.service}: its run {run.name} on the work pool ended {ended}")
    if not _may_leave_traffic(run):
        raise error
    async with returned_after_failure(config, discovered, owner):
        raise error


def _has_completed(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_completed()


def _may_leave_traffic(run: FlowRun) -> bool:
    """Whether its process may have been killed, instead of having ended in order."""
    return run.state is not None and (run.state.is_crashed() or run.state.is_cancelled())


async def _wait_until_settled(client: PrefectClient, run_id: UUID) -> FlowRun:
    """
    Wait until a run has ended.

    The automation ends one whose worker died; one whose worker died before it began is ended here.
    """
    deadline = None
    while True:
        run = await client.read_flow_run(run_id)
        if _has_ended(run):
            return run
        if not (run.state and run.state.is_pending()):
            deadline = None
        elif deadline is None:
            deadline = time.monotonic() + _START_PATIENCE
        elif time.monotonic() > deadline:
            return await _end(client, run_id)
        await asyncio.sleep(_POLL)


async def _wait_until_ended(client: PrefectClient, run_id: UUID, patience: float) -> FlowRun:
    deadline = time.monotonic() + patience
    while True:
        run = await client.read_flow_run(run_id)
        if time.monotonic() > deadline or _has_ended(run):
            return run
        await asyncio.sleep(_POLL)


async def _end_earlier_runs(client: PrefectClient, pool_run: _PoolRun) -> None:
    """A split that was killed leaves runs behind that may still work on the same service."""
    deployment = await client.read_deployment_by_name(_DEPLOYMENT)
    its_runs = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    still_open = FlowRunFilter(
        tags=FlowRunFilterTags(all_=pool_run.tags),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN)),
    )
    found = await client.read_flow_runs(
        flow_run_filter=still_open,
        deployment_filter=its_runs,
    )
    for run in found:
        log().warning("%s: ending %s, left by an earlier split", pool_run.name, run.name)
        await _end(client, run.id)


async def _end(client: PrefectClient, run_id: UUID) -> FlowRun:
    """
    Cancel a run, and wait until it has brought its traffic back; a run whose worker is gone never
    reports that.

    Returns:
        The run as it ended.
    """
    run = await client.read_flow_run(run_id)
    if _has_ended(run):
        return run
    if run.state and run.state.is_scheduled():
        await client.set_flow_run_state(run_id, Cancelled(), force=True)
        return run

    await client.set_flow_run_state(run_id, Cancelling())
    run = await _wait_until_ended(client, run_id, _END_PATIENCE)
    if not _has_ended(run):
        message = f"It did not end within {_END_PATIENCE:g} s of the cancel: its worker is gone."
        crashed: State[None] = Crashed(message=message)
        await client.set_flow_run_state(run_id, crashed, force=True)
        run = await client.read_flow_run(run_id)
    return run


def _has_ended(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


async def _read_events(client: PrefectClient, run_id: UUID, key: str) -> list[Event]:
    """None of a run that was killed."""
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
        key=ArtifactFilterKey(any_=[key]),
    )
    found = await client.read_artifacts(artifact_filter=wanted)
    events: list[Event] = []
    for artifact in found:
        events += [Event(**row) for row in json.loads(str(artifact.data))]
    return events
