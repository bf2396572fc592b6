"""Child programs, with real processes."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from flows.runtime.process import Program, ProgramEnded, await_true
from tests.processes import descendants, is_alive

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
# Starts a child, prints its pid, and waits to be killed.
PARENT = f"""
import asyncio, subprocess, sys
from flows.runtime.process import Program

async def main():
    outlive = sys.argv[1] == "outlive"
    child = await Program.start(
        "child", sys.executable, "-c", {SLEEP!r}, outlive=outlive, stdout=subprocess.DEVNULL
    )
    print(child.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def python(code, **keywords):
    return Program.start("the program", sys.executable, "-c", code, **keywords)


async def ended(identity, seconds=10):
    """Whether a process ends in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while is_alive(identity):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


@pytest.fixture
def killed_parent(request):
    """A program whose parent was killed; its (pid, start time)."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, request.param],
        stdout=subprocess.PIPE,
        cwd=request.config.rootpath,
    )
    assert parent.stdout.readline()
    [child] = descendants(parent.pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    yield child
    if is_alive(child):
        os.kill(child[0], signal.SIGKILL)


@pytest.mark.parametrize("killed_parent", ["end"], indirect=True)
async def test_a_program_ends_with_a_parent_that_is_killed(killed_parent):
    assert await ended(killed_parent)


@pytest.mark.parametrize("killed_parent", ["outlive"], indirect=True)
async def test_a_program_that_is_to_outlive_its_parent_runs_on(killed_parent):
    assert not await ended(killed_parent, seconds=1)


async def test_a_program_has_a_session_of_its_own():
    async with await python(SLEEP, stdout=subprocess.DEVNULL) as program:
        assert os.getsid(program.process.pid) == program.process.pid


async def test_leaving_the_block_ends_the_program():
    async with await python(SLEEP, stdout=subprocess.DEVNULL) as program:
        pass
    assert program.ended.result() == -signal.SIGTERM


async def test_every_line_of_stderr_is_relayed():
    lines = []
    code = "import sys; print('one', file=sys.stderr); print('two', file=sys.stderr)"
    async with await python(code, relay=lines.append) as program:
        await program.ended
    assert lines == ["one", "two"]


async def test_a_program_that_ended_is_an_error_with_its_last_lines():
    async with await python("import sys; sys.exit('no licence')", relay=lambda _: None) as program:
        await program.ended
        with pytest.raises(ProgramEnded, match=r"the program ended with exit code 1:\nno licence"):
            await program.check()


async def test_the_last_lines_of_a_log_file_are_in_the_error(tmp_path):
    log = tmp_path / "program.log"
    async with await python("import sys; sys.exit('no licence')", log=log) as program:
        await program.ended
        with pytest.raises(ProgramEnded, match=rf"the end of {log}:\nno licence"):
            await program.check()


async def test_waiting_for_a_program_that_ends_is_an_error():
    async def never():
        return False

    async with await python("pass") as program:
        with pytest.raises(ProgramEnded, match="ended with exit code 0"):
            await await_true(never, program)


async def test_waiting_longer_than_allowed_is_an_error():
    async def never():
        return False

    async with await python(SLEEP, stdout=subprocess.DEVNULL) as program:
        with pytest.raises(ProgramEnded, match=r"is not ready after 0\.1 s"):
            await await_true(never, program, 0.1)
