"""Fixtures for whole runs: each starts programs, and ends them by their ids."""

import contextlib

import pytest

from tests.e2e.runs import Client, Run


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory):
    """A Prefect of the tests' own; shared, as its database takes seconds to make."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="module")
def module_directory(tmp_path_factory):
    """A folder for the programs that a module's tests share."""
    return tmp_path_factory.mktemp("module")


@contextlib.contextmanager
def _runs(tmp_path_factory, home):
    started = []

    def start(*arguments, module="flows.split", prefect_home=home):
        run = Run(tmp_path_factory.mktemp("run"), prefect_home, module, *map(str, arguments))
        started.append(run)
        return run

    try:
        yield start
    finally:
        for run in started:
            run.end()


@pytest.fixture
def start_run(tmp_path_factory, prefect_home):
    """Starts `python -m flows.split ARGUMENTS --json` (or another module); ends what still runs after the test."""
    with _runs(tmp_path_factory, prefect_home) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_run(tmp_path_factory, prefect_home):
    """As `start_run`, for what a module's tests share."""
    with _runs(tmp_path_factory, prefect_home) as start:
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
