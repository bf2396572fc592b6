"""Prefect's SIGTERM handler is replaced where a run asks for that, and nowhere else."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from prefect.utilities import engine

from flows.runtime import cancellation

IMPORT = """
from prefect.utilities import engine
before = engine._prefect_sigterm_handler
import flows.split, flows.fan_out.work_pool, flows.status
assert engine._prefect_sigterm_handler is before
"""


@pytest.fixture
def prefect_s_handler(monkeypatch):
    """SIGTERM as it is when a flow begins: Prefect's handler is in place."""
    monkeypatch.setattr(engine, "_prefect_sigterm_handler", engine._prefect_sigterm_handler)
    before = signal.signal(signal.SIGTERM, engine._prefect_sigterm_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def test_an_import_replaces_no_signal_handler():
    subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True)


@pytest.mark.usefixtures("prefect_s_handler")
async def test_sigterm_cancels_the_flow_at_an_await():
    async def flow():
        cancellation.install()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(30)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(flow())


@pytest.mark.usefixtures("prefect_s_handler")
async def test_prefect_takes_the_handler_for_its_own():
    cancellation.install()
    assert engine.is_prefect_sigterm_handler_installed()


async def test_without_prefect_s_handler_sigterm_is_left_alone(monkeypatch):
    monkeypatch.setattr(engine, "_prefect_sigterm_handler", engine._prefect_sigterm_handler)
    before = signal.getsignal(signal.SIGTERM)
    cancellation.install()
    assert signal.getsignal(signal.SIGTERM) is before
