"""A step's arithmetic of time, and what its own requests amount to."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from config.traffic import Gates, Step
from flows.service import analysis as module
from flows.service.analysis import Breach, StepAnalysis, unless_breached
from flows.service.probes import Probes, _synthetic_rate, probe_rate, window_of_answers
from flows.service.traffic_split import _chance
from tasks.cloudwatch.metrics import Window
from tasks.gates import Judgement
from tasks.http.client import Response

NOON = 1_764_072_000


def analysis(*, bake=60.0, weight=10, paths=("/api/users",), **gates):
    traffic = SimpleNamespace(gates=Gates(**gates))
    return StepAnalysis(
        config=SimpleNamespace(traffic_of=lambda _: traffic),
        discovered=None,
        placement=SimpleNamespace(service=None, probe_paths=paths),
        step=Step(weight=weight, bake=bake),
        before=Window(),
        since=NOON,
    )


@pytest.mark.parametrize(
    ("seconds", "complete"),
    # Two minutes of lag: at 12:03:59 the minute from 12:01 on is not complete.
    [(120, 0), (179, 0), (180, 60), (239, 60), (240, 120)],
)
def test_what_is_known_ends_with_the_newest_complete_period(seconds, complete):
    assert (
        analysis(metrics_period=60, metrics_lag=120.0).complete_until(NOON + seconds)
        == NOON + complete
    )


def test_probes_are_known_at_once():
    assert (
        analysis(source="probes", metrics_period=60, metrics_lag=120.0).complete_until(NOON + 0.25)
        == NOON + 0.25
    )


@pytest.mark.parametrize(
    ("gates", "pause"),
    [
        ({"metrics_period": 60}, 3.0),
        ({"metrics_period": 1}, 0.5),
        ({"metrics_period": 30}, 1.5),
        ({"metrics_period": 60, "source": "probes"}, 0.5),
    ],
)
def test_cloudwatch_is_asked_no_more_often_than_it_has_news(gates, pause):
    assert analysis(**gates).pause == pause


@pytest.mark.parametrize(
    ("needed", "seconds", "rate"),
    [(50, 300.0, 1.0), (50, 60.0, 100 / 60), (50, 2.0, 10.0), (0, 60.0, 1.0), (50, 0.0, 10.0)],
)
def test_probes_are_as_many_as_a_verdict_needs(needed, seconds, rate):
    assert probe_rate(Gates(min_requests=needed), Step(weight=10, bake=seconds)) == pytest.approx(
        rate
    )


@pytest.mark.parametrize(
    ("weight", "seconds", "rate"), [(10, 300.0, 2.5), (100, 60.0, 1.25), (1, 60.0, 50.0)]
)
def test_made_traffic_is_what_the_service_needs_at_its_weight(weight, seconds, rate):
    assert _synthetic_rate(
        Gates(min_requests=50), Step(weight=weight, bake=seconds)
    ) == pytest.approx(rate)


def test_answers_become_a_window():
    answers = [Response(200, latency=number / 1000) for number in range(1, 101)] + [
        Response(500),
        Response(0),
        Response(404),
    ]
    window = window_of_answers(answers)
    assert (window.requests, window.failed) == (103, 2)


def test_percentiles_are_those_of_the_answers():
    window = window_of_answers(
        [Response(200, latency=float(number)) for number in range(100, 0, -1)]
    )
    assert (window.p50, window.p95, window.p99) == (50.0, 95.0, 99.0)


def test_failures_do_not_make_a_service_fast():
    assert window_of_answers([Response(500, latency=0.001), Response(200, latency=0.3)]).p50 == 0.3


def test_no_answers_have_no_percentile():
    assert window_of_answers([]) == Window()


def test_the_load_balancer_counts_probes_among_the_services_requests():
    probes = Probes(
        preview=[Response(200, at=1.0), Response(200, at=3.0)],
        control=[Response(200, at=1.0)],
        public=[Response(500, at=2.0)],
    )
    window = probes.at_service(3.0)
    assert (window.requests, window.failed) == (2, 1)


def test_the_observed_split_may_miss_by_chance_and_at_100_percent_by_none():
    assert [round(_chance(weight, 100), 1) for weight in (10, 50, 100)] == [9.0, 15.0, 0.0]


def looking(monkeypatch, *verdicts):
    """Let the gates say one verdict after the other, the last one for ever."""
    left = list(verdicts)

    async def look(_):
        verdict = left.pop(0) if len(left) > 1 else left[0]
        return [Judgement("errors", verdict, f"it is {verdict}")]

    monkeypatch.setattr(module.StepAnalysis, "look", look)
    monkeypatch.setattr(module, "_SHORTEST_PAUSE", 0.001)


async def test_a_gate_that_fails_ends_the_work_at_once(monkeypatch):
    looking(monkeypatch, "pass", "fail")
    began = time.monotonic()
    with pytest.raises(Breach, match="it is fail"):
        await unless_breached(analysis(source="probes"), asyncio.sleep(30))
    assert time.monotonic() - began < 5


async def test_work_goes_on_while_gates_are_open(monkeypatch):
    looking(monkeypatch, "inconclusive")

    async def work():
        await asyncio.sleep(0.05)
        return "done"

    assert await unless_breached(analysis(source="probes"), work()) == "done"


async def test_in_a_dry_run_a_gate_that_fails_ends_nothing(monkeypatch):
    looking(monkeypatch, "fail")

    async def work():
        await asyncio.sleep(0.05)
        return "done"

    assert await unless_breached(analysis(source="probes", dry_run=True), work()) == "done"


async def test_a_fault_of_the_work_is_not_hidden(monkeypatch):
    looking(monkeypatch, "pass")

    async def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unless_breached(analysis(source="probes"), work())


async def test_a_fault_of_the_watch_is_not_hidden(monkeypatch):
    async def look(_):
        raise ZeroDivisionError

    monkeypatch.setattr(module.StepAnalysis, "look", look)
    with pytest.raises(ZeroDivisionError):
        await unless_breached(analysis(source="probes"), asyncio.sleep(30))
