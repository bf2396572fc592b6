"""Preflight reads the autoscaling of services that get traffic."""

from types import SimpleNamespace

import pytest

from config.split import SplitConfig
from flows.plan import plan_checks as module
from flows.plan.options import SPLIT_DEFAULTS
from flows.plan.plan_checks import PlanChecks
from tasks.preflight.finding import errors

CONFIG = SplitConfig(
    name="forum",
    aws={"region": "eu-central-1"},
    cluster="c",
    monolith={"service": "m"},
    services=[{"name": "users", "path_patterns": ("/u*",), "image": "users:1", "desired_count": 2}],
)


def checks(steps=(100,), service="users"):
    users = SimpleNamespace(
        service="users", settled=False, steps=steps, state=SimpleNamespace(service=service)
    )
    plan = SimpleNamespace(services=[users], drain=SimpleNamespace(will_drain=False))
    discovered = SimpleNamespace(cluster_arn="arn:cluster/c")
    return PlanChecks(CONFIG, discovered, plan, SPLIT_DEFAULTS)


@pytest.fixture(autouse=True)
def minimum_of_one(monkeypatch):
    async def call(*_):
        return 1

    monkeypatch.setattr(module, "call", call)


async def test_a_service_that_may_be_scaled_in_too_far_is_refused_before_the_run():
    (line,) = errors(await checks().scaling())
    assert line.startswith("services[0].desired_count: 2, and weight 100% needs 2 tasks")


def test_a_run_with_work_to_do_checks_the_autoscaling():
    found = checks().all()
    names = [check.__name__ for check in found]
    for check in found:
        check.close()
    assert "scaling" in names


@pytest.mark.parametrize(("steps", "service"), [((), "users"), ((100,), None)])
async def test_a_service_without_traffic_steps_or_of_a_first_run_is_not_read(steps, service):
    assert await checks(steps, service).scaling() == []
