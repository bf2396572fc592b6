"""A step's analysis: its arithmetic of time, its own requests, and what a breach ends."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from config.traffic import Gates, Step
from flows.service.step import analysis as module
from flows.service.step.analysis import Breach, StepAnalysis, unless_breached
from flows.service.step.figures import Figures, Measured, Past
from flows.service.step.probes import (
    Probes,
    paced_probe_rate,
    probe_rate,
    synthetic_rate,
    window_of_responses,
)
from flows.service.step.traffic_split import chance_deviation
from tasks.cloudwatch.metrics import Window
from tasks.gates import Judgement
from tasks.http.client import Response
from tasks.http.pacing import pace

NOON = 1_764_072_000


def analysis(*, bake=60.0, weight=10, paths=("/api/users",), **gates):
    placement = SimpleNamespace(name="users", gates=Gates(**gates), probe_paths=paths)
    return StepAnalysis(placement, Step(weight=weight, bake=bake), Past())


@pytest.mark.parametrize(
    ("seconds", "complete"),
    # Two minutes of lag: at 12:03:59 the minute from 12:01 on is not complete.
    [(120, 0), (179, 0), (180, 60), (239, 60), (240, 120)],
)
def test_figures_are_complete_until_the_end_of_the_newest_whole_period(seconds, complete):
    assert (
        analysis(metrics_period=60, metrics_lag=120.0).complete_until(NOON + seconds)
        == NOON + complete
    )


def test_figures_of_probes_are_complete_at_once():
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
def test_cloudwatch_is_read_no_more_often_than_it_changes(gates, pause):
    assert analysis(**gates).pause == pause


@pytest.mark.parametrize(
    ("needed", "seconds", "rate"),
    [(50, 300.0, 1.0), (50, 60.0, 100 / 60), (50, 2.0, 10.0), (0, 60.0, 1.0), (50, 0.0, 10.0)],
)
def test_there_are_as_many_probes_as_a_verdict_needs(needed, seconds, rate):
    assert probe_rate(Gates(min_requests=needed), Step(weight=10, bake=seconds)) == pytest.approx(
        rate
    )


@pytest.mark.parametrize(
    ("weight", "seconds", "rate"), [(10, 300.0, 2.5), (100, 60.0, 1.25), (1, 60.0, 50.0)]
)
def test_synthetic_traffic_is_what_the_service_needs_at_its_weight(weight, seconds, rate):
    assert synthetic_rate(
        Gates(min_requests=50), Step(weight=weight, bake=seconds)
    ) == pytest.approx(rate)


def test_responses_become_a_window():
    responses = [Response(200, latency=number / 1000) for number in range(1, 101)] + [
        Response(500),
        Response(0),
        Response(404),
    ]
    window = window_of_responses(responses)
    assert (window.requests, window.failed, window.responses) == (103, 2, (100, 0, 1))


def test_percentiles_are_those_of_the_responses():
    window = window_of_responses(
        [Response(200, latency=float(number)) for number in range(100, 0, -1)]
    )
    assert (window.p50, window.p95, window.p99) == (50.0, 95.0, 99.0)


def test_failures_do_not_make_a_service_fast():
    assert (
        window_of_responses([Response(500, latency=0.001), Response(200, latency=0.3)]).p50 == 0.3
    )


def test_no_responses_have_no_percentile():
    assert window_of_responses([]) == Window()


def test_the_load_balancer_counts_probes_among_the_services_requests():
    probes = Probes()
    probes.record_pair(preview=Response(200, at=1.0), control=Response(200, at=1.0))
    probes.record_pair(preview=Response(200, at=3.0), control=Response(200, at=3.0))
    probes.record_public([Response(500, at=2.0)])
    window = window_of_responses(probes.counted(1.0, 3.0))
    assert (window.requests, window.failed) == (2, 1)


def test_probes_of_the_step_before_are_counted_in_the_period_that_both_share():
    first = figures()
    first.probes.record_public([Response(200, at=1.0)])
    second = figures(previous=first)
    second.probes.record_public([Response(200, at=2.0)])
    assert [response.at for response in second.counted(0.0, 9.0)] == [2.0, 1.0]
    assert [response.at for response in second.counted(1.5, 9.0)] == [2.0]


def figures(previous=None, weight=10):
    placement = SimpleNamespace(name="users", gates=Gates())
    return Figures(placement, Step(weight=weight), Past(), previous)


def test_samples_that_a_check_expects_to_be_404_are_not_users_who_get_404():
    all_at_once = figures(weight=100)
    for moment in range(100):
        status = 404 if moment % 4 == 0 else 200
        all_at_once.probes.record_sample(Response(status, at=float(moment)))
    all_at_once.since = 0.0
    service = Window(requests=150, responses=(125, 0, 25), seconds=100)
    sides = all_at_once.sides(Measured(service, service, Window()), 100.0)
    assert (sides.service.requests, sides.service.responses) == (50, (50, 0, 0))


PAST = Past(Window(requests=6000, failed=0, seconds=600), had_all=True)


def watched_monolith(fill, sender=None):
    """The verdict about a monolith that fails 30 of 630 requests, all of them the tool's own."""
    users = SimpleNamespace(name="users", gates=Gates(), probe_paths=())
    step = StepAnalysis(users, Step(weight=10, bake=60.0), PAST)
    sending = sender or step
    sending.begin()
    step.figures.since = 0.0
    fill(sending.probes)
    monolith = Window(requests=630, failed=30, seconds=60)
    return step._watch_monolith(Measured(Window(), Window(), monolith), 60.0).verdict


def failures(count, first=0.0):
    return [Response(500, at=first + number / 100) for number in range(count)]


def probe_30(probes):
    for failure in failures(30):
        probes.record_pair(preview=Response(200, at=failure.at), control=failure)


def sample_34(probes):
    for failure in failures(34):
        probes.record_sample(failure)


def synthesize_34(probes):
    for failure in failures(34):
        probes.record_synthetic(failure)


@pytest.mark.parametrize(
    "fill",
    [probe_30, sample_34, synthesize_34, lambda probes: probes.record_monolith(failures(30))],
)
async def test_a_path_that_the_monolith_fails_for_the_tool_alone_holds_no_step(fill):
    assert watched_monolith(lambda _: None) == "inconclusive"
    assert watched_monolith(fill) == "pass"


async def test_a_check_of_another_service_that_the_monolith_fails_holds_no_step():
    assert watched_monolith(probe_30, sender=analysis()) == "pass"


async def test_own_requests_before_the_step_or_to_the_service_explain_no_failure_of_the_monolith():
    assert (
        watched_monolith(lambda probes: probes.record_monolith(failures(30, first=-9.0)))
        == "inconclusive"
    )
    assert watched_monolith(lambda probes: probes.record_public(failures(30))) == "inconclusive"


@pytest.mark.parametrize(("fan_out", "rate"), [("in_process", 0.5), ("work_pool", 1.0)])
async def test_a_service_with_a_budget_of_its_own_does_not_share_it_again(fan_out, rate):
    config = SimpleNamespace(max_parallel=4, services=range(4), fan_out=fan_out)
    placement = SimpleNamespace(config=config, gates=Gates())
    assert pace().rate == 10.0
    assert paced_probe_rate(placement, Step(weight=10, bake=60.0)) == pytest.approx(rate)


def test_pairs_are_counted_by_the_class_of_their_statuses():
    probes = Probes()
    probes.record_pair(preview=Response(404), control=Response(200))
    probes.record_pair(preview=Response(200), control=Response(204))
    assert probes.pairs == {(4, 2): 1, (2, 2): 1}


def test_a_status_that_a_check_expects_is_no_difference():
    probes = Probes()
    probes.record_pair(preview=Response(404), control=Response(200), expected=404)
    assert probes.pairs == {(4, 4): 1}


def test_probes_compare_service_and_monolith_without_the_public_route():
    probes = Probes()
    probes.record_pair(preview=Response(500), control=Response(200))
    probes.record_public([Response(500)])
    assert (probes.of_service.requests, probes.of_service.failed) == (1, 1)
    assert (probes.of_monolith.requests, probes.of_monolith.failed) == (1, 0)


def test_every_step_has_probes_of_its_own():
    first, second = analysis(), analysis()
    first.probes.record_public([Response(200)])
    assert list(second.probes.counted(0.0, 1.0)) == []


def test_the_observed_split_may_deviate_by_chance_and_at_100_percent_not_at_all():
    assert [round(chance_deviation(weight, 100), 1) for weight in (10, 50, 100)] == [9.0, 15.0, 0.0]


def judging(monkeypatch, *verdicts):
    """Let the gates give one verdict after the other, and the last one from then on."""
    left = list(verdicts)

    async def judge_early(_):
        verdict = left.pop(0) if len(left) > 1 else left[0]
        return [Judgement("errors", verdict, f"it is {verdict}")]

    monkeypatch.setattr(module.StepAnalysis, "judge_early", judge_early)
    monkeypatch.setattr(module, "_SHORTEST_PAUSE", 0.001)


async def test_a_gate_that_fails_ends_the_work_at_once(monkeypatch):
    judging(monkeypatch, "pass", "fail")
    began = time.monotonic()
    with pytest.raises(Breach, match="it is fail"):
        await unless_breached(analysis(source="probes"), asyncio.sleep(30))
    assert time.monotonic() - began < 5


async def test_work_goes_on_while_gates_are_inconclusive(monkeypatch):
    judging(monkeypatch, "inconclusive")

    async def work():
        await asyncio.sleep(0.05)
        return "done"

    assert await unless_breached(analysis(source="probes"), work()) == "done"


async def test_in_a_dry_run_a_gate_that_fails_ends_nothing(monkeypatch):
    judging(monkeypatch, "fail")

    async def work():
        await asyncio.sleep(0.05)
        return "done"

    assert await unless_breached(analysis(source="probes", dry_run=True), work()) == "done"


async def test_a_fault_of_the_work_is_not_hidden(monkeypatch):
    judging(monkeypatch, "pass")

    async def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unless_breached(analysis(source="probes"), work())


async def test_a_fault_of_the_gates_is_not_hidden(monkeypatch):
    async def judge_early(_):
        raise ZeroDivisionError

    monkeypatch.setattr(module.StepAnalysis, "judge_early", judge_early)
    with pytest.raises(ZeroDivisionError):
        await unless_breached(analysis(source="probes"), asyncio.sleep(30))
