"""A step waits for the capacity of its service, and for a monolith that suffers."""

import asyncio
from types import SimpleNamespace

import pytest

from config.errors import GateFailed, MonolithOverloaded
from config.traffic import Gates, Step
from flows.service import shift
from flows.service.step import bake as baking
from flows.service.step import capacity as module
from flows.service.step.capacity import wait_for_capacity
from tasks.gates import Judgement
from tasks.gates.capacity import Capacity


class Capacities:
    """A service whose capacity changes each time it is read; the last one stays."""

    def __init__(self, monkeypatch, *found):
        self.left, self.events = list(found), []
        monkeypatch.setattr(module, "_read_capacity", self._read)
        monkeypatch.setattr(module, "emit", self._emit)
        monkeypatch.setattr(module, "_PAUSE", 0.001)

    async def _read(self, _):
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    def _emit(self, kind, _name, _text, **details):
        self.events.append((kind, details.get("verdict")))

    async def wait(self, weight=100, **gates):
        service = SimpleNamespace(desired_count=2)
        placement = SimpleNamespace(
            name="users",
            service=service,
            gates=Gates(**gates),
            discovered=SimpleNamespace(cluster_arn="arn:aws:ecs:us-east-1:1:cluster/prod"),
        )
        await wait_for_capacity(placement, Step(weight=weight))


async def test_a_step_waits_until_all_tasks_are_healthy(monkeypatch):
    found = Capacities(
        monkeypatch, Capacity(1, 1, None), Capacity(2, 1, None), Capacity(2, 2, None)
    )
    await found.wait()
    assert found.events == [("note", None), ("check", "pass")]


async def test_all_traffic_for_half_of_the_tasks_fails(monkeypatch):
    found = Capacities(monkeypatch, Capacity(2, 1, None))
    with pytest.raises(GateFailed, match="2 running, 1 healthy; weight 100% needs 2"):
        await found.wait(wait_limit=0.05)
    assert found.events[-1] == ("check", "fail")


async def test_half_of_the_traffic_for_half_of_the_tasks_goes_on(monkeypatch):
    found = Capacities(monkeypatch, Capacity(1, 1, 1))
    await found.wait(weight=50)
    assert found.events == [("check", "pass")]


async def test_a_service_that_may_be_scaled_in_gets_not_all_traffic(monkeypatch):
    found = Capacities(monkeypatch, Capacity(2, 2, 1))
    with pytest.raises(GateFailed, match="scaling may go down to 1"):
        await found.wait(wait_limit=0.0)


async def test_a_minimum_that_is_too_low_fails_the_step_at_once_and_gives_the_command(monkeypatch):
    found = Capacities(monkeypatch, Capacity(1, 1, 1))
    with pytest.raises(GateFailed, match="service/prod/users --min-capacity 2`"):
        await asyncio.wait_for(found.wait(wait_limit=900.0), 5)
    assert found.events == [("check", "fail")]


async def test_a_dry_run_only_reports_missing_capacity(monkeypatch):
    found = Capacities(monkeypatch, Capacity(1, 1, None))
    await found.wait(dry_run=True)
    assert found.events[-1] == ("check", "fail")


PASSED = Judgement("errors", "pass", "0 of 100 requests failed")


class Baking:
    """An analysis whose monolith suffers for some evaluations."""

    def __init__(self, suffering, **gates):
        self.gates = Gates(source="probes", wait_limit=gates.pop("wait_limit", 5.0), **gates)
        self.step = Step(weight=50, bake=0)
        self.name, self.lag, self.pause = "users", 0.0, 0.001
        self.suffering, self.checks = suffering, []
        self.monolith = Judgement("monolith", "inconclusive", "monolith: 60 of 600 requests failed")
        self.is_worth_a_return = True

    @property
    def must_hold(self):
        return self.suffering > 0

    def complete_until(self, now):
        return now

    async def judge(self):
        self.suffering -= 1
        return [PASSED]

    def emit_check(self, verdict, text, _numbers):
        self.checks.append((verdict, text))


@pytest.mark.parametrize("too_little_traffic", ["wait", "accept"])
async def test_a_step_does_not_end_while_the_monolith_suffers(too_little_traffic):
    analysis = Baking(4, too_little_traffic=too_little_traffic)
    assert await asyncio.wait_for(baking.bake(analysis), 5) == [PASSED]
    assert analysis.suffering == 0
    assert analysis.checks == [("inconclusive", "holding: monolith: 60 of 600 requests failed")]


@pytest.mark.parametrize(("worth", "error"), [(True, GateFailed), (False, MonolithOverloaded)])
def test_a_monolith_that_goes_on_suffering_fails_the_step(monkeypatch, worth, error):
    monkeypatch.setattr(shift, "emit", lambda *_, **__: None)
    analysis = Baking(1)
    analysis.is_worth_a_return = worth
    with pytest.raises(error, match="users at 50%: monolith: 60 of 600 requests failed"):
        shift._judge(analysis, [PASSED])
