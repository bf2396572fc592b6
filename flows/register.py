"""
Registers everything in a Prefect server: work pool, deployments, automations, limits.

    python -m flows.register [--pool NAME] [--root DIR]

The server is the one that PREFECT_API_URL names. Safe to repeat: what exists is updated.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL

from flows.cli.run import DONE, FAILED, REFUSED, say
from flows.runtime.process import PYTHON, ROOT
from tasks.aws.rate_limit import GLOBAL_LIMITS

__all__ = ["main", "register"]

_DEPLOYMENTS: Final = ROOT / "deployments"


class DeployFailed(Exception):
    """Raised when `prefect deploy` failed."""


async def register(pool: str, root: Path) -> None:
    """
    Register everything in deployments/ in the server of PREFECT_API_URL.

    Args:
        pool: Work pool of the deployments; created with type process if it does not exist.
        root: Folder of this checkout on the workers.

    Raises:
        DeployFailed: `prefect deploy` failed.
    """
    async with get_client() as client:
        await _ensure_pool(client, pool)
        await _ensure_limits(client)
        for automation in _automations():
            await _ensure_automation(client, automation)
    await _deploy(pool, root)


async def _ensure_pool(client: PrefectClient, name: str) -> None:
    """A pool that exists stays as its owner made it, of whatever type."""
    try:
        await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except ObjectAlreadyExists:
        return
    say(f"created work pool {name} of type process")


async def _ensure_limits(client: PrefectClient) -> None:
    for name, (burst, rate) in GLOBAL_LIMITS.items():
        await client.upsert_global_concurrency_limit_by_name(
            name,
            limit=burst,
            slot_decay_per_second=rate,
        )


def _automations() -> list[AutomationCore]:
    text = (_DEPLOYMENTS / "automations.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)["automations"]
    return [AutomationCore.model_validate(item) for item in found]


async def _ensure_automation(client: PrefectClient, automation: AutomationCore) -> None:
    existing = await client.read_automations_by_name(automation.name)
    if not existing:
        await client.create_automation(automation)
        say(f"created automation {automation.name!r}")
        return

    # One that was switched off in the UI stays off.
    update = {"enabled": existing[0].enabled}
    await client.update_automation(existing[0].id, automation.model_copy(update=update))


async def _deploy(pool: str, root: Path) -> None:
    """`prefect deploy` finds entry points from its working folder, not from that of its file."""
    process = await asyncio.create_subprocess_exec(
        *(*PYTHON, "prefect", "--no-prompt", "deploy", "--all"),
        *("--prefect-file", str(_DEPLOYMENTS / "prefect.yaml")),
        cwd=ROOT,
        env={**os.environ, "SPLITTER_ROOT": str(root), "SPLITTER_WORK_POOL": pool},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        head = f"prefect deploy failed with exit code {process.returncode}:"
        raise DeployFailed(f"{head}\n{output.decode()}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    arguments = _parser().parse_args(argv)
    url = PREFECT_API_URL.value()
    if url is None:
        say(
            "PREFECT_API_URL is not set; set it to the API of your Prefect server, e.g. "
            "http://127.0.0.1:4200/api"
        )
        return REFUSED

    try:
        asyncio.run(register(arguments.pool, arguments.root.absolute()))
    except httpx.HTTPError as error:
        say(
            f"the Prefect server at {url} does not answer: {error}; check PREFECT_API_URL, and "
            "that the server runs"
        )
        return FAILED
    except DeployFailed as error:
        say(str(error))
        return FAILED
    say(f"registered in {url}, on work pool {arguments.pool}")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.register",
        description="Register work pool, deployments, automations and limits in the Prefect server "
        "that PREFECT_API_URL names.",
    )
    parser.add_argument(
        "--pool",
        default="local-process",
        help="work pool of the deployments (default: local-process)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=ROOT,
        help="folder of this checkout on the workers (default: this one)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
