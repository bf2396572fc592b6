"""
A run that is killed at any point, and run again, comes to the end that an uninterrupted one comes
to.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.runs import edited_config, hasten_drain, only, quick, wait_until

POINTS = 10
PATHS = ["/", "/api/users", "/api/users/1", "/api/users/999"]


@pytest.fixture(scope="module")
def uninterrupted(start_module_sandbox, start_module_run, module_directory):
    """The mutating calls of a run that nobody interrupts, and the state it leaves."""
    sandbox = start_module_sandbox()
    hasten_drain(sandbox)
    before = len(sandbox.record())
    run = start_module_run(edited_config(sandbox, module_directory, only("users"), quick))
    assert run.wait() == 0, run.log
    calls = [call["action"] for call in sandbox.record()[before:] if call["mutating"]]
    return calls, aws_state.end_state(sandbox, "users")


@pytest.mark.parametrize("point", range(POINTS))
def test_a_killed_run_is_finished_by_the_next(
    point, uninterrupted, start_sandbox, start_run, start_client, tmp_path
):
    calls, wanted = uninterrupted
    # Evenly from the lock to the drain, after which nothing is to be done but to wait and to
    # verify.
    nth = 1 + point * calls.index("UpdateService") // (POINTS - 1)
    sandbox = start_sandbox()
    hasten_drain(sandbox)
    sandbox.faults(f"hold={nth}")
    config, client = (
        edited_config(sandbox, tmp_path, only("users"), quick),
        start_client(sandbox, *PATHS),
    )
    killed = start_run(config)
    wait_until(lambda: sandbox.is_holding() or killed.process.poll() is not None, 120)
    killed.kill()
    sandbox.faults("")
    finishing = start_run(config)
    assert finishing.wait() == 0, finishing.log
    assert aws_state.differences(aws_state.end_state(sandbox, "users"), wanted) == []
    assert client.end()["failed"] == 0
