"""
Prefect's records of a run: a private server writes them a little later, and would lose what it has
not written.
"""

import asyncio
import os
import time
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter
from prefect.settings import PREFECT_API_URL

__all__ = ["await_records", "on_private_server", "start_private_server"]

_PATIENCE: Final = 6.0
_PAUSE: Final = 0.4
_QUIET: Final = 3


def on_private_server() -> bool:
    """Whether this process has started a server for itself, which ends with it."""
    return PREFECT_API_URL.value() is None


async def start_private_server() -> None:
    """
    Start the server of this process ahead of the first flow run, which would
    otherwise wait for it.
    """
    if on_private_server():
        # Nobody opens its pages, and unpacking them takes seconds.
        os.environ.setdefault("PREFECT_SERVER_UI_ENABLED", "false")
        async with get_client() as client:
            await client.hello()


async def await_records(flow_run_id: str) -> None:
    """Wait until every task run of a flow run is recorded as ended, or for six seconds."""
    deadline = time.monotonic() + _PATIENCE
    seen: list[tuple[int, int]] = []
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    async with get_client() as client:
        while time.monotonic() < deadline:
            runs = await client.read_task_runs(
                flow_run_filter=chosen, task_run_filter=TaskRunFilter(), limit=200
            )
            open_runs = sum(1 for run in runs if run.state is None or not run.state.is_final())
            seen = [*seen, (len(runs), open_runs)][-_QUIET:]
            if open_runs == 0 and len(seen) == _QUIET and len(set(seen)) == 1:
                return
            await asyncio.sleep(_PAUSE)
