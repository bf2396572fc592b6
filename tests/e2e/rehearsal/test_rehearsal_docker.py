"""The rehearsal on a real Docker engine: it builds, pushes and runs what the split makes."""

import docker
import pytest

from tests.e2e import aws_state
from tests.e2e.runs import RehearsedAws, still_running

pytestmark = pytest.mark.docker
SERVICES = ["posts", "threads", "users"]


@pytest.fixture(scope="module")
def engine():
    client = docker.from_env()
    yield client
    client.close()


def containers(engine, run):
    """Docker's containers of the run's sandbox, whether they run or not."""
    pids = {str(pid) for (pid, _), command in run.started.items() if "-m sandbox" in command}
    found = engine.containers.list(all=True, ignore_removed=True)
    return [item for item in found if item.labels.get("split-sandbox") in pids]


@pytest.fixture(scope="module")
def rehearsal(start_module_run, private_prefect, engine):
    """A whole rehearsal; `running` are the images of its containers in the first step."""
    run = start_module_run("--engine", "docker", "--rate", 50, prefect=private_prefect)
    aws = RehearsedAws(run)
    run.wait_while_running(lambda: all(aws_state.weight(aws, name) for name in SERVICES))
    run.started = run.descendants()
    run.running = [item.attrs["Config"]["Image"] for item in containers(engine, run)]
    run.wait()
    return run


def test_it_completes(rehearsal):
    assert rehearsal.ended == (0, "completed"), rehearsal.log


def test_the_outcome_names_docker_as_the_engine(rehearsal):
    assert rehearsal.outcome["engine"] == "docker"


def test_no_request_failed(rehearsal):
    assert rehearsal.outcome["traffic"]["failed"] == 0


def test_docker_ran_the_tasks_from_the_pushed_digests(rehearsal):
    pinned = {service["image"] for service in rehearsal.outcome["services"].values()}
    assert pinned <= set(rehearsal.running)


def test_docker_ran_the_monolith_too(rehearsal):
    assert len([image for image in rehearsal.running if "monolith" in image]) == 2


def test_no_container_is_left(rehearsal, engine):
    assert containers(engine, rehearsal) == []


def test_no_process_is_left_running(rehearsal):
    assert still_running(rehearsal.started) == []
