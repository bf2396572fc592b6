"""Which steps a shift takes, and when its traffic is rolled back."""

import asyncio
from types import SimpleNamespace

import pytest

from config.errors import GateFailed, LockLost, MonolithOverloaded, TrafficConflict
from config.traffic import Gates, Linear, Traffic
from flows.service import shift as module
from flows.service.shift import _judge, roll_back_to_monolith, shift_traffic
from flows.service.step.figures import Past
from tasks.gates import Judgement

LISTENER = "arn:listener"
NOON = 1_764_072_000


def placement(**gates):
    traffic = Traffic(shift=Linear(step=25), gates=Gates(**gates))
    return SimpleNamespace(
        name="users",
        aws=None,
        listener_arn=LISTENER,
        traffic=traffic,
        gates=traffic.gates,
    )


class Shift:
    """A shift whose steps and rollback are recorded here instead of carried out."""

    def __init__(self, monkeypatch):
        self.taken, self.rolled_back, self.error = [], [], None
        monkeypatch.setattr(module, "_take_step", self._take_step)
        monkeypatch.setattr(module, "roll_back_to_monolith", self._roll_back)
        monkeypatch.setattr(module, "read_past", self._read_past)

    async def _take_step(self, analysis):
        self.taken.append(analysis.step.weight)
        if self.error:
            raise self.error

    async def _roll_back(self, _placement, why, *, observe=True):
        self.rolled_back.append((why, observe))

    async def _read_past(self, *_):
        return Past()

    async def run(self, weight=0, *, source="probes", **gates):
        await shift_traffic(placement(source=source, **gates), weight)


@pytest.fixture
def shift(monkeypatch):
    return Shift(monkeypatch)


async def test_every_step_is_taken_in_order(shift):
    await shift.run()
    assert (shift.taken, shift.rolled_back) == ([25, 50, 75, 100], [])


async def test_a_shift_goes_on_where_another_run_was_interrupted(shift):
    await shift.run(weight=50)
    assert shift.taken == [50, 75, 100]


@pytest.fixture
def slept(shift, monkeypatch):
    """The seconds that a shift sleeps before its first step, a quarter past a minute."""
    seconds = []

    async def sleep(duration):
        assert shift.taken == []
        seconds.append(duration)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    monkeypatch.setattr(module.time, "time", lambda: NOON + 15.0)
    return seconds


@pytest.mark.parametrize("source", ["cloudwatch", "both"])
async def test_the_first_step_begins_with_a_period_of_the_metrics(shift, slept, source):
    await shift.run(source=source, metrics_period=60)
    assert (slept, shift.taken) == ([45.0], [25, 50, 75, 100])


async def test_a_shift_by_probes_alone_begins_at_once(shift, slept):
    await shift.run(source="probes", metrics_period=60)
    assert (slept, shift.taken) == ([], [25, 50, 75, 100])


async def test_a_resumed_shift_begins_at_once(shift, slept):
    await shift.run(weight=50, source="both", metrics_period=60)
    assert (slept, shift.taken) == ([], [50, 75, 100])


async def test_a_gate_that_fails_rolls_traffic_back(shift):
    shift.error = GateFailed("users at 25%: fail")
    with pytest.raises(GateFailed):
        await shift.run()
    assert (shift.taken, shift.rolled_back) == ([25], [("gate failed", True)])


async def test_a_cancelled_run_rolls_traffic_back_and_waits_for_nothing(shift):
    shift.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await shift.run()
    assert shift.rolled_back == [("run cancelled", False)]


async def test_a_cancelled_run_that_has_lost_the_listener_leaves_the_weights_to_the_other(
    shift, monkeypatch
):
    async def is_taken_over(_aws, listener):
        return listener == LISTENER

    monkeypatch.setattr(module, "is_taken_over", is_taken_over)
    shift.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await shift.run()
    assert shift.rolled_back == []


async def test_any_fault_rolls_traffic_back_and_is_raised(shift):
    shift.error = ZeroDivisionError("division by zero")
    with pytest.raises(ZeroDivisionError):
        await shift.run()
    assert shift.rolled_back == [("ZeroDivisionError: division by zero", True)]


@pytest.mark.parametrize(
    "error",
    [
        TrafficConflict("somebody else changed it"),
        LockLost("another run took over"),
        MonolithOverloaded("it could not take it back"),
    ],
)
async def test_traffic_that_must_not_return_stays(shift, error):
    shift.error = error
    with pytest.raises(type(error)):
        await shift.run()
    assert shift.rolled_back == []


async def test_a_rule_that_somebody_changed_does_not_keep_the_others_at_the_service(monkeypatch):
    returned = []

    async def call(_shift_weight, _aws, rule, *_):
        if rule == "edited":
            raise TrafficConflict("somebody else changed it")
        returned.append(rule)

    async def raise_monolith(_placement):
        pass

    monkeypatch.setattr(module, "call", call)
    monkeypatch.setattr(module, "raise_monolith", raise_monolith)
    placed = SimpleNamespace(aws=None, rule_arns=("edited", "second"), group_arns=("a", "b"))
    with pytest.raises(TrafficConflict):
        await roll_back_to_monolith(placed, "gate failed")
    assert returned == ["second"]


async def test_a_run_whose_split_has_ended_shifts_nothing_more(monkeypatch):
    async def is_taken_over(*_):
        return True

    async def write(*_):
        pytest.fail("wrote a weight")

    monkeypatch.setattr(module, "is_taken_over", is_taken_over)
    monkeypatch.setattr(module, "raise_monolith", write)
    monkeypatch.setattr(module, "shift_weight", write)
    analysis = SimpleNamespace(placement=placement(), step=SimpleNamespace(weight=50))
    with pytest.raises(LockLost, match="does not hold the listener any more"):
        await module._take_step(analysis)


async def test_a_step_that_one_rule_refuses_leaves_no_rule_at_the_new_weight(monkeypatch):
    weights = {"first": 25, "edited": 25, "third": 25}

    def write(_aws, rule, _monolith, _service, weight):
        if rule == "edited":
            raise TrafficConflict("rule 8 (/users/*) was changed")
        before, weights[rule] = weights[rule], weight
        return before

    async def shift_weight(*arguments):
        return write(*arguments)

    shift_weight.plain = write
    monkeypatch.setattr(module, "shift_weight", shift_weight)
    placed = SimpleNamespace(
        name="users", aws=None, rule_arns=tuple(weights), group_arns=("arn:web", "arn:users")
    )
    with pytest.raises(TrafficConflict) as caught:
        await module._set_weight(placed, 50)
    assert weights == {"first": 25, "edited": 25, "third": 25}
    assert str(caught.value).splitlines() == [
        "rule 8 (/users/*) was changed",
        "first gives users 25% again, as before the step",
    ]


def judge(*verdicts, **gates):
    analysis = SimpleNamespace(
        name="users", gates=Gates(**gates), step=SimpleNamespace(weight=25), must_hold=False
    )
    judgements = [
        Judgement("errors", verdict, f"it is {verdict}", {"requests": 48, "failed": 0})
        for verdict in verdicts
    ]
    _judge(analysis, judgements)


@pytest.fixture
def emitted(monkeypatch):
    """The events of the run: text and details."""
    events = []

    def emit(_kind, _name, text, **details):
        events.append((text, details))

    monkeypatch.setattr(module, "emit", emit)
    return events


@pytest.mark.parametrize(
    ("verdict", "gates"),
    [("pass", {}), ("inconclusive", {"too_little_traffic": "accept"}), ("fail", {"dry_run": True})],
)
@pytest.mark.usefixtures("emitted")
def test_a_step_may_stay(verdict, gates):
    judge("pass", verdict, **gates)


@pytest.mark.parametrize(
    ("verdict", "gates", "remedy"),
    [
        ("fail", {}, "see its log"),
        ("fail", {"too_little_traffic": "accept"}, "see its log"),
        ("inconclusive", {}, "raise wait_limit, lower min_requests, or set too_little_traffic"),
    ],
)
@pytest.mark.usefixtures("emitted")
def test_a_step_may_not_stay(verdict, gates, remedy):
    with pytest.raises(GateFailed) as caught:
        judge("pass", verdict, **gates)
    head, reason = str(caught.value).splitlines()
    assert head == f"users at 25%: {verdict}; traffic rolled back to the monolith; {remedy}"
    assert reason == f"  errors: it is {verdict}"


def test_verdicts_of_a_dry_run_are_marked(emitted):
    judge("fail", dry_run=True)
    assert [text for text, _ in emitted] == ["dry run: it is fail"]


def test_a_verdict_carries_its_gate_its_weight_and_its_numbers(emitted):
    judge("pass")
    ((_, details),) = emitted
    assert details == {
        "verdict": "pass",
        "weight": 25,
        "numbers": {"gate": "errors", "requests": 48, "failed": 0},
    }
