"""Autoscaling that may leave a service too few tasks is found before the run."""

import pytest

from config.service import ServiceConfig
from tasks.preflight.capacity import check_minimum
from tasks.preflight.finding import errors, warnings

SERVICE = ServiceConfig(name="users", path_patterns=("/u*",), image="users:1", desired_count=4)
CLUSTER = "arn:aws:ecs:us-east-1:1:cluster/prod"


def check(minimum, steps=(10, 100), *, dry_run=False):
    return list(
        check_minimum("services[0]", SERVICE, CLUSTER, minimum, steps=steps, dry_run=dry_run)
    )


def test_a_minimum_below_desired_count_is_refused_with_its_command():
    (line,) = errors(check(2))
    assert line.startswith("services[0].desired_count: 4, and weight 100% needs 4 tasks, but")
    assert "may go down to 2" in line
    assert "--resource-id service/prod/users --min-capacity 4`" in line


@pytest.mark.parametrize(("minimum", "steps"), [(None, (100,)), (4, (100,)), (2, (50,)), (1, ())])
def test_a_minimum_that_is_enough_for_the_steps_is_no_finding(minimum, steps):
    assert check(minimum, steps) == []


def test_gates_that_fail_nothing_only_get_a_warning():
    found = check(2, dry_run=True)
    assert (errors(found), len(warnings(found))) == ([], 1)
