"""
Compares pytest's JUnit files with the tests that there are: each has to have passed, exactly once.

    python -m tests.verdict build/junit.xml... [ARGUMENTS OF PYTEST]
"""

import contextlib
import io
import sys
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pytest

__all__ = ["Case", "collect", "main", "problems", "read_cases"]

_NEEDS = {"docker": "a real Docker engine", "browser": "Chromium"}


@dataclass(frozen=True)
class Case:
    """One test in a JUnit file."""

    nodeid: str
    outcome: str
    """`passed`, `skipped`, `failure` or `error`."""
    needs: tuple[str, ...] = ()
    message: str = ""


def main(arguments):
    """Print the findings; exit code 1 when a test did not pass, or not exactly once."""
    reports = [name for name in arguments if name.endswith(".xml")]
    cases = [case for report in reports for case in read_cases(report)]
    selection = [name for name in arguments if name not in reports]
    found = problems(cases, collect(selection))
    passed = [case for case in cases if case.outcome == "passed"]
    for need, what in _NEEDS.items():
        print(f"{sum(need in case.needs for case in passed)} tests passed on {what}")
    print(f"{len(passed)} tests passed")
    for problem in found:
        print(problem)
    return 1 if found or not passed else 0


def read_cases(report):
    """The tests of a JUnit file, by the properties that tests/conftest.py records."""
    cases = []
    for element in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        properties = [(one.get("name"), one.get("value")) for one in element.iter("property")]
        outcome, message = _outcome(element)
        nodeid = dict(properties).get(
            "nodeid", f"{element.get('classname')}::{element.get('name')}"
        )
        needs = tuple(value for name, value in properties if name == "needs")
        cases.append(Case(nodeid, outcome, needs, message))
    return cases


def _outcome(element):
    for outcome in ("error", "failure", "skipped"):
        found = element.find(outcome)
        if found is not None:
            return outcome, found.get("message", "")
    return "passed", ""


class _Collected:
    """A pytest plugin that keeps the ids of all tests."""

    def __init__(self):
        self.nodeids = []

    def pytest_collection_finish(self, session):
        self.nodeids = [item.nodeid for item in session.items]


def collect(selection=()):
    """The ids of the tests that pytest finds with these arguments."""
    collected = _Collected()
    listing = io.StringIO()
    with contextlib.redirect_stdout(listing):
        code = pytest.main(["--collect-only", "-q", *selection], plugins=[collected])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"{listing.getvalue()}\nthe tests cannot be collected")
    return collected.nodeids


def problems(cases, wanted):
    """A line for each test that did not pass, ran more than once, or never ran."""
    runs = Counter(case.nodeid for case in cases)
    return [
        *(f"{case.outcome}: {case.nodeid}: {case.message}" for case in _not_passed(cases)),
        *(f"ran {count} times: {nodeid}" for nodeid, count in runs.items() if count > 1),
        *(f"never ran: {nodeid}" for nodeid in wanted if nodeid not in runs),
    ]


def _not_passed(cases):
    return [case for case in cases if case.outcome != "passed"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
