"""Which steps a shift takes, and when its traffic returns."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from config.errors import GateFailed, LockLost, TrafficConflict
from config.traffic import Gates, Linear, Traffic
from flows.service import shift as module
from flows.service.shift import _act_on, shift_traffic
from tasks.cloudwatch.metrics import Window
from tasks.gates import Judgement

AROUND = SimpleNamespace(listener_arn="arn:listener")

LANE = SimpleNamespace(service=SimpleNamespace(name="users"))


class Shift:
    """A shift whose steps and return are told here instead of carried out."""

    def __init__(self, monkeypatch):
        self.taken, self.returned, self.error = [], [], None
        monkeypatch.setattr(module, "_take_step", self._take_step)
        monkeypatch.setattr(module, "roll_back_to_monolith", self._return_to_monolith)
        monkeypatch.setattr(module, "read_before", self._read_before)

    async def _take_step(self, analysis, _previous):
        self.taken.append(analysis.step.weight)
        if self.error:
            raise self.error

    async def _return_to_monolith(self, _config, _around, _lane, why, *, observe=True):
        self.returned.append((why, observe))

    async def _read_before(self, *_):
        return Window()

    async def run(self, weight=0, **gates):
        traffic = Traffic(shift=Linear(step=25), gates=Gates(**{"source": "probes"} | gates))
        await shift_traffic(SimpleNamespace(traffic_of=lambda _: traffic), AROUND, LANE, weight)


@pytest.fixture
def shift(monkeypatch):
    return Shift(monkeypatch)


async def test_every_step_is_taken_in_order(shift):
    await shift.run()
    assert (shift.taken, shift.returned) == ([25, 50, 75, 100], [])


async def test_a_shift_goes_on_where_another_run_was_interrupted(shift):
    await shift.run(weight=50)
    assert shift.taken == [50, 75, 100]


async def test_the_first_step_begins_with_a_period_of_the_metrics(shift):
    await shift.run(source="cloudwatch", metrics_period=1)
    assert time.time() % 1 < 0.9


async def test_a_gate_that_fails_returns_the_traffic(shift):
    shift.error = GateFailed("users at 25 %: fail")
    with pytest.raises(GateFailed):
        await shift.run()
    assert (shift.taken, shift.returned) == ([25], [("a gate failed", True)])


async def test_a_cancelled_run_returns_the_traffic_and_waits_for_nothing(shift):
    shift.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await shift.run()
    assert shift.returned == [("the run was cancelled", False)]


async def test_a_cancelled_run_that_has_lost_the_listener_leaves_the_weights_to_the_other(
    shift, monkeypatch
):
    monkeypatch.setattr(module, "was_lost", lambda listener: listener == AROUND.listener_arn)
    shift.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await shift.run()
    assert shift.returned == []


async def test_any_fault_returns_the_traffic_and_shows(shift):
    shift.error = ZeroDivisionError("division by zero")
    with pytest.raises(ZeroDivisionError):
        await shift.run()
    assert shift.returned == [("ZeroDivisionError: division by zero", True)]


@pytest.mark.parametrize(
    "error", [TrafficConflict("somebody else changed it"), LockLost("another run took over")]
)
async def test_what_others_decided_stays(shift, error):
    shift.error = error
    with pytest.raises(type(error)):
        await shift.run()
    assert shift.returned == []


def act_on(*verdicts, **gates):
    analysis = SimpleNamespace(
        placement=LANE, gates=Gates(**gates), step=SimpleNamespace(weight=25)
    )
    _act_on(analysis, [Judgement("errors", verdict, f"it is {verdict}") for verdict in verdicts])


@pytest.fixture
def told(monkeypatch):
    """What the run told."""
    texts = []
    monkeypatch.setattr(module, "emit", lambda _kind, _name, text, **_: texts.append(text))
    return texts


@pytest.mark.parametrize(
    ("verdict", "gates"),
    [("pass", {}), ("inconclusive", {"too_little_traffic": "accept"}), ("fail", {"dry_run": True})],
)
@pytest.mark.usefixtures("told")
def test_a_step_may_stand(verdict, gates):
    act_on("pass", verdict, **gates)


@pytest.mark.parametrize(
    ("verdict", "gates", "remedy"),
    [
        ("fail", {}, "look at its log"),
        ("fail", {"too_little_traffic": "accept"}, "look at its log"),
        ("inconclusive", {}, "raise wait_limit, lower min_requests, or set too_little_traffic"),
    ],
)
@pytest.mark.usefixtures("told")
def test_a_step_may_not_stand(verdict, gates, remedy):
    with pytest.raises(GateFailed) as caught:
        act_on("pass", verdict, **gates)
    head, reason = str(caught.value).splitlines()
    assert head == f"users at 25 %: {verdict}; its traffic is back on the monolith; {remedy}"
    assert reason == f"  errors: it is {verdict}"


def test_verdicts_of_a_dry_run_say_so(told):
    act_on("fail", dry_run=True)
    assert told == ["dry run: it is fail"]
