"""Which engine is used, and the removal of containers of killed sandboxes."""

import os
from contextlib import ExitStack

import docker
import pytest

from sandbox.addresses import Addresses
from sandbox.engine.base import EngineUnavailable, RegistryLogin
from sandbox.engine.docker.warden import LABEL
from sandbox.engine.find import find_engine

REGISTRY = RegistryLogin("127.0.0.1:9", "AWS", "password")


@pytest.fixture
def find(tmp_path, cache):  # noqa: ARG001 - fixtures are asked for by name
    with ExitStack() as stack:
        addresses = Addresses()
        stack.callback(addresses.close)

        def found(kind):
            engine = find_engine(kind, REGISTRY, addresses, tmp_path / "run")
            stack.callback(engine.close)
            return engine

        yield found


@pytest.fixture
def nothing_listens(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")


@pytest.mark.usefixtures("nothing_listens")
def test_without_a_real_engine_the_embedded_one_is_found(find):
    assert find("auto").name == "process"


@pytest.mark.usefixtures("nothing_listens")
def test_a_real_engine_that_does_not_answer_is_reported_with_its_address(find):
    with pytest.raises(
        EngineUnavailable, match=r"tcp://127.0.0.1:9: no engine answers\. Start Docker or Podman"
    ):
        find("docker")


def test_a_missing_socket_is_skipped(find, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert find("auto").name == "process"


def test_an_engine_on_another_machine_is_not_used(find, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(EngineUnavailable, match="not on this machine"):
        find("docker")


def test_an_unknown_kind_is_refused(find):
    with pytest.raises(EngineUnavailable, match="not one of auto, docker, process"):
        find("podman")


@pytest.mark.docker
def test_a_real_engine_is_found(find):
    assert find("auto").name == "docker"


@pytest.mark.docker
@pytest.mark.usefixtures("nothing_listens")
def test_the_embedded_engine_is_used_on_request(find):
    assert find("process").name == "process"


@pytest.fixture
def client():
    client = docker.from_env()
    yield client
    client.close()


def labelled(client, pid):
    """A container with the label of the sandbox of that process."""
    return client.containers.create("split-sandbox/python", ["python3"], labels={LABEL: str(pid)})


@pytest.mark.docker
def test_containers_of_a_dead_sandbox_are_removed(find, client):
    find("docker")
    # Process ids end at 2^22 on Linux.
    orphan = labelled(client, (1 << 22) + 1)
    find("docker")
    assert orphan.id not in [found.id for found in client.containers.list(all=True)]


@pytest.mark.docker
def test_containers_of_a_process_that_only_has_the_sandboxs_old_id_are_removed(find, client):
    find("docker")
    orphan = labelled(client, os.getpid())
    find("docker")
    assert orphan.id not in [found.id for found in client.containers.list(all=True)]
