"""CI's verdict: every test has to have passed, exactly once."""

import pytest

from tests.verdict import Case, problems, read_cases

PASSED = Case("tests/unit/test_a.py::test_one", "passed")

REPORT = """\
<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_one"><properties>
<property name="nodeid" value="tests/unit/test_a.py::test_one"/>
<property name="needs" value="docker"/>
</properties></testcase>
<testcase classname="tests.unit.test_a" name="test_two"><properties>
<property name="nodeid" value="tests/unit/test_a.py::test_two"/>
</properties><skipped message="no Chromium on PATH"/></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_read_with_the_ids_needs_and_outcomes(tmp_path):
    report = tmp_path / "junit.xml"
    report.write_text(REPORT)
    assert read_cases(report) == [
        Case("tests/unit/test_a.py::test_one", "passed", ("docker",)),
        Case("tests/unit/test_a.py::test_two", "skipped", (), "no Chromium on PATH"),
    ]


def test_tests_that_passed_once_are_no_problem():
    assert problems([PASSED], [PASSED.nodeid]) == []


@pytest.mark.parametrize("outcome", ["skipped", "failure", "error"])
def test_a_test_that_did_not_pass_is_a_problem(outcome):
    case = Case("test_b", outcome, (), "why")
    assert problems([PASSED, case], [PASSED.nodeid, "test_b"]) == [f"{outcome}: test_b: why"]


def test_a_test_that_ran_twice_is_a_problem():
    assert problems([PASSED, PASSED], [PASSED.nodeid]) == [f"ran 2 times: {PASSED.nodeid}"]


def test_a_test_that_never_ran_is_a_problem():
    assert problems([PASSED], [PASSED.nodeid, "test_b"]) == ["never ran: test_b"]
