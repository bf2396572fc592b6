"""Fixtures for whole runs: each starts programs, and ends them by their ids."""

import contextlib
import os

import pytest

from tests.e2e.prefect_server import PrefectServer, migrated_home
from tests.e2e.runs import Run
from tests.e2e.users import Client


@pytest.fixture(scope="session")
def make_prefect_home(tmp_path_factory):
    """Makes folders for PREFECT_HOME, each with a database of its own that has its tables."""
    own = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each worker a folder in that of the session.
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return lambda: migrated_home(shared, tmp_path_factory.mktemp("prefect"))


@pytest.fixture(scope="session")
def prefect(make_prefect_home):
    """Environment variables that name a Prefect server which all runs of this worker share."""
    server = PrefectServer(make_prefect_home())
    try:
        yield server.environment
    finally:
        server.end()


@pytest.fixture(scope="module")
def private_prefect(make_prefect_home):
    """
    As `prefect`, without a server: each run starts a private one, on a database of this module.
    """
    return {"PREFECT_HOME": str(make_prefect_home())}


@pytest.fixture(scope="module")
def module_directory(tmp_path_factory):
    """A folder for the programs that a module's tests share."""
    return tmp_path_factory.mktemp("module")


@contextlib.contextmanager
def _runs(request, tmp_path_factory):
    started = []

    def start(*arguments, module="flows.split", prefect=None):
        # The shared server starts with the first run that has no other one.
        environment = prefect or request.getfixturevalue("prefect")
        run = Run(tmp_path_factory.mktemp("run"), environment, module, *map(str, arguments))
        started.append(run)
        return run

    try:
        yield start
    finally:
        for run in started:
            run.end()


@pytest.fixture
def start_run(request, tmp_path_factory):
    """
    Starts `python -m flows.split ARGUMENTS --json` (or another module); ends what still runs after
    the test.
    """
    with _runs(request, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_run(request, tmp_path_factory):
    """As `start_run`, for what a module's tests share."""
    with _runs(request, tmp_path_factory) as start:
        yield start


@contextlib.contextmanager
def _clients(tmp_path_factory):
    started = []

    def start(sandbox, *paths, rate=10):
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
