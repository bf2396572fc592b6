"""Marks, the order of tests, and fixtures that run the sandbox as a program of its own."""

import contextlib
import os

import pytest

from tests.machine import lacks
from tests.sandboxes import running_sandbox

NEEDS = ("docker", "browser")
TIERS = ("unit", "integration", "e2e")
MOST_WORKERS = 8
# The files that take longest, in the order in which workers get them: a long one must not be the
# last to begin.
FIRST_FILES = (
    "test_prefect_runs.py",
    "test_prefect_work_pool.py",
    "test_split_killed.py",
    "test_split_signals.py",
    "test_split_drain.py",
    "test_rollback.py",
    "test_split_gates.py",
    "test_rehearsal_docker.py",
    "test_rehearsal.py",
    "test_split.py",
    "test_redeploy_repeated.py",
    "test_split_weights.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Of `--numprocesses auto`: two a core, as tests wait half of their time."""
    return min(MOST_WORKERS, 2 * (os.cpu_count() or 1))


@pytest.hookimpl(tryfirst=True)  # before pytest selects by mark
def pytest_collection_modifyitems(items):
    """
    Mark tests by their tier, skip those that need more than this machine has, and put the files
    that take longest first.

    `.ci/run` reads the recorded properties: there each test has to run, and once.
    """
    for item in items:
        item.add_marker(_tier(item))
        item.user_properties.append(("nodeid", item.nodeid))
        for need in NEEDS:
            if item.get_closest_marker(need):
                _require(item, need)
    items.sort(key=_place_of_file)


def _place_of_file(item):
    name = item.path.name
    return FIRST_FILES.index(name) if name in FIRST_FILES else len(FIRST_FILES)


def _tier(item):
    return next(tier for tier in TIERS if f"tests/{tier}/" in item.nodeid)


def _require(item, need):
    item.user_properties.append(("needs", need))
    reason = lacks(need)
    if reason:
        # Such a test cannot run on this machine; in CI, `tests.verdict` fails on any skipped one.
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """A sandbox with the forum in it, shared by all tests that leave it as they found it."""
    directory = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(directory, directory, "--engine", "process") as running:
        yield running


@contextlib.contextmanager
def _starting(tmp_path_factory):
    with contextlib.ExitStack() as stack:

        def start(*arguments, directory=None):
            """
            `directory` is where it keeps its files, e.g. that of another sandbox; a new one by
            default.
            """
            engine = () if "--engine" in arguments else ("--engine", "process")
            made = tmp_path_factory.mktemp("sandbox")
            running = running_sandbox(made, directory or made, *engine, *arguments)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def start_sandbox(tmp_path_factory):
    """Starts sandboxes for one test, with the arguments given; ends those that still run."""
    with _starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_sandbox(tmp_path_factory):
    """As `start_sandbox`, for what a module's tests share."""
    with _starting(tmp_path_factory) as start:
        yield start
