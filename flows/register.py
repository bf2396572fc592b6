"""
Registers everything in a Prefect server: work pool, deployments, automations, limits.

    python -m flows.register [--pool NAME] [--root DIR]

The server is the one that PREFECT_API_URL names. Safe to repeat: what is there is brought into
line.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL

from flows.cli.command import DONE, FAILED, REFUSED, say
from tasks.aws.rate_limit import GLOBAL_LIMITS

__all__ = ["main", "register"]

_ROOT: Final = Path(__file__).parent.parent
_DEPLOYMENTS: Final = _ROOT / "deployments"


async def register(pool: str, root: Path) -> None:
    """
    Bring the server of PREFECT_API_URL into line with deployments/.

    Args:
        pool: Work pool of the deployments; one of type process is made when there is none of that
            name.
        root: Folder of this checkout on the workers.

    Raises:
        DeployFailed: `prefect deploy` failed; its message stands on stderr.
    """
    async with get_client() as client:
        await _ensure_pool(client, pool)
        for name, (burst, rate) in GLOBAL_LIMITS.items():
            await client.upsert_global_concurrency_limit_by_name(
                name, limit=burst, slot_decay_per_second=rate
            )
        for automation in _automations():
            await _ensure_automation(client, automation)
    await _deploy(pool, root)


class DeployFailed(Exception):
    """Raised when `prefect deploy` failed."""


async def _ensure_pool(client: PrefectClient, name: str) -> None:
    """A pool that is there stays as its owner made it, of whatever type."""
    try:
        await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except ObjectAlreadyExists:
        return
    say(f"work pool {name}: made, of type process")


def _automations() -> list[AutomationCore]:
    found: dict[str, Any] = yaml.safe_load(
        (_DEPLOYMENTS / "automations.yaml").read_text(encoding="utf-8")
    )
    return [AutomationCore.model_validate(item) for item in found["automations"]]


async def _ensure_automation(client: PrefectClient, wanted: AutomationCore) -> None:
    there = await client.read_automations_by_name(wanted.name)
    if there:
        # Whoever has switched it off in the UI finds it switched off.
        await client.update_automation(
            there[0].id, wanted.model_copy(update={"enabled": there[0].enabled})
        )
        return
    await client.create_automation(wanted)
    say(f"automation {wanted.name!r}: made")


async def _deploy(pool: str, root: Path) -> None:
    """`prefect deploy` finds entry points from its working folder, not from that of its file."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"),
        *("--prefect-file", str(_DEPLOYMENTS / "prefect.yaml")),
        cwd=_ROOT,
        env={**os.environ, "SPLITTER_ROOT": str(root), "SPLITTER_WORK_POOL": pool},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise DeployFailed(
            f"prefect deploy failed with exit code {process.returncode}:\n{out.decode()}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.register", description="Register everything in a server."
    )
    parser.add_argument("--pool", default="local-process", help="work pool of the deployments")
    parser.add_argument(
        "--root", type=Path, default=_ROOT, help="folder of this checkout on the workers"
    )
    arguments = parser.parse_args(argv)
    url = PREFECT_API_URL.value()
    if url is None:
        say(
            "PREFECT_API_URL is not set; set it to the API of your Prefect server, e.g. http://127.0.0.1:4200/api"
        )
        return REFUSED
    try:
        asyncio.run(register(arguments.pool, arguments.root.absolute()))
    except httpx.HTTPError as error:
        say(
            f"the Prefect server at {url} cannot be used: {error}; check PREFECT_API_URL, and "
            "that it runs"
        )
        return FAILED
    except DeployFailed as error:
        say(str(error))
        return FAILED
    say(f"registered in {url}, on work pool {arguments.pool}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
