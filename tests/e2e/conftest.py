"""Fixtures for whole runs: each starts programs, and ends them by their ids."""

import contextlib

import pytest

from tests.e2e.runs import Client, PrefectServer, Run


@pytest.fixture(scope="session")
def prefect(tmp_path_factory):
    """Where the tests' own Prefect server is, as environment variables."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    try:
        yield server.environment
    finally:
        server.end()


@pytest.fixture(scope="module")
def private_prefect(tmp_path_factory):
    """
    As `prefect`, without a server: each run starts one for itself; its database knows the module's
    runs alone.
    """
    return {"PREFECT_HOME": str(tmp_path_factory.mktemp("private-prefect"))}


@pytest.fixture(scope="module")
def module_directory(tmp_path_factory):
    """A folder for the programs that a module's tests share."""
    return tmp_path_factory.mktemp("module")


@contextlib.contextmanager
def _runs(tmp_path_factory, shared):
    started = []

    def start(*arguments, module="flows.split", prefect=shared):
        run = Run(tmp_path_factory.mktemp("run"), prefect, module, *map(str, arguments))
        started.append(run)
        return run

    try:
        yield start
    finally:
        for run in started:
            run.end()


@pytest.fixture
def start_run(tmp_path_factory, prefect):
    """
    Starts `python -m flows.split ARGUMENTS --json` (or another module); ends what still runs after
    the test.
    """
    with _runs(tmp_path_factory, prefect) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_run(tmp_path_factory, prefect):
    """As `start_run`, for what a module's tests share."""
    with _runs(tmp_path_factory, prefect) as start:
        yield start


@contextlib.contextmanager
def _clients(tmp_path_factory):
    started = []

    def start(sandbox, *paths, rate=50):
        client = Client(tmp_path_factory.mktemp("client"), sandbox.state["alb_url"], paths, rate)
        started.append(client)
        return client

    try:
        yield start
    finally:
        for client in started:
            if client.process.returncode is None:
                client.end()


@pytest.fixture
def start_client(tmp_path_factory):
    """Starts a live client on a sandbox's paths; ends it after the test."""
    with _clients(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_client(tmp_path_factory):
    """As `start_client`, for what a module's tests share."""
    with _clients(tmp_path_factory) as start:
        yield start
