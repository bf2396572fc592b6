"""The Prefect server of a run without PREFECT_API_URL: used by the run, and ended with it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.processes import descendants, is_alive

# Runs a flow with a task on a private server, prints what the server has recorded of it, and then
# waits to be ended.
PROGRAM = """
import asyncio, json, sys
import flows
from prefect import flow, get_client, task
from flows.runtime.private_server import (
    await_private_server, awaiting_records, on_private_server, running_private_server)

@task
async def step():
    pass

@flow
async def run():
    await step()

async def main():
    async with running_private_server():
        await await_private_server()
        async with awaiting_records():
            await run()
        async with get_client() as client:
            runs = [item.state_name for item in await client.read_flow_runs()]
            tasks = [item.state_name for item in await client.read_task_runs()]
        found = {"runs": runs, "tasks": tasks, "private": on_private_server()}
        print(json.dumps(found), flush=True)
        if sys.argv[1] == "wait":
            await asyncio.sleep(600)
    print("after", on_private_server(), flush=True)

asyncio.run(main())
"""


class Program:
    """The program above, when it has printed `found`; `below` are the processes below it then."""

    def __init__(self, root, home, mode):
        environment = {**os.environ, "PREFECT_HOME": str(home)}
        environment.pop("PREFECT_API_URL", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, mode],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.found = json.loads(line)
        self.below = descendants(self.process.pid)

    @property
    def servers(self):
        """Command lines of the Prefect servers below it."""
        return [command for command in self.below.values() if "uvicorn" in command]

    def left(self, seconds=20):
        """Command lines of what still runs below it after so many seconds."""
        deadline = time.monotonic() + seconds
        while running := [identity for identity in self.below if is_alive(identity)]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)  # a process of another parent cannot be waited for
        return [self.below[identity] for identity in running]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for identity in self.below:
            if is_alive(identity):
                os.kill(identity[0], signal.SIGKILL)


@pytest.fixture(scope="module")
def start(request, tmp_path_factory):
    """Starts the program; its Prefect database is the module's."""
    home = tmp_path_factory.mktemp("prefect")
    started = []

    def start(mode):
        started.append(Program(request.config.rootpath, home, mode))
        return started[-1]

    yield start
    for program in started:
        program.end()


@pytest.fixture(scope="module")
def waiting(start):
    return start("wait")


def test_the_run_is_recorded(waiting):
    assert waiting.found == {"runs": ["Completed"], "tasks": ["Completed"], "private": True}


def test_there_is_one_server(waiting):
    assert len(waiting.servers) == 1


def test_ctrl_c_on_a_terminal_does_not_reach_the_server(waiting):
    groups = {os.getpgid(pid) for pid, _ in waiting.below}
    assert os.getpgid(waiting.process.pid) not in groups


def test_a_run_that_is_killed_leaves_no_server(waiting):
    waiting.process.kill()
    assert waiting.left() == []


def test_the_server_ends_with_the_run(start):
    program = start("end")
    out, err = program.process.communicate(timeout=60)
    assert (program.process.returncode, out, program.left()) == (0, "after True\n", []), err
