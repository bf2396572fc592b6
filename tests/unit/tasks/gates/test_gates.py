"""Gates: which figures pass, which fail, and which are inconclusive."""

import pytest

from config.traffic import Gates, LatencyRatio
from tasks.cloudwatch.metrics import Window
from tasks.elbv2.target_group import TargetHealth
from tasks.gates import (
    Judgement,
    judge_alarms,
    judge_errors,
    judge_latency,
    judge_targets,
    without_open_doubles,
    worst,
)

GATES = Gates(
    max_5xx_rate=0.01, min_requests=100, latency_floor=0.025, latency_ratio=LatencyRatio(p95=2.0)
)


def window(requests, failed=0, p50=0.1, p95=0.2, p99=0.3):
    return Window(requests=requests, failed=failed, p50=p50, p95=p95, p99=p99)


@pytest.mark.parametrize(
    ("requests", "failed", "verdict"),
    [
        (0, 0, "inconclusive"),
        (99, 0, "inconclusive"),
        (99, 1, "inconclusive"),
        (100, 0, "pass"),
        (100, 1, "pass"),
        (100, 2, "fail"),
        (1000, 10, "pass"),
        (1000, 11, "fail"),
        # Even 98 good answers more would leave 2 of 100.
        (2, 2, "fail"),
        (1, 1, "inconclusive"),
    ],
)
def test_errors_are_judged_by_their_rate_once_there_are_enough_requests(requests, failed, verdict):
    assert judge_errors(GATES, "cloudwatch", window(requests, failed)).verdict == verdict


@pytest.mark.parametrize(
    ("requests", "failed", "verdict"),
    [
        # 2 of 100 happen by chance at a rate of 1 %: there is a whole bake to tell.
        (100, 2, "pass"),
        (100, 4, "pass"),
        (100, 6, "fail"),
        (20, 3, "inconclusive"),
        (20, 6, "fail"),
        (10000, 120, "pass"),
        (10000, 140, "fail"),
        # Errors that arrive before the requests they belong to.
        (0, 50, "inconclusive"),
        (49, 50, "inconclusive"),
    ],
)
def test_before_the_end_of_a_bake_errors_fail_only_beyond_chance(requests, failed, verdict):
    assert (
        judge_errors(GATES, "cloudwatch", window(requests, failed), early=True).verdict == verdict
    )


def test_with_a_limit_of_0_one_failure_ends_a_step_early():
    gates = GATES.model_copy(update={"max_5xx_rate": 0.0})
    assert judge_errors(gates, "cloudwatch", window(1, 1), early=True).verdict == "fail"


def test_with_a_limit_of_1_nothing_fails():
    gates = GATES.model_copy(update={"max_5xx_rate": 1.0})
    assert judge_errors(gates, "cloudwatch", window(100, 100), early=True).verdict == "pass"


def test_early_failures_among_millions_of_requests_can_be_judged():
    assert (
        judge_errors(GATES, "cloudwatch", window(5_000_000, 4_000_000), early=True).verdict
        == "fail"
    )


def test_without_min_requests_no_requests_pass():
    gates = GATES.model_copy(update={"min_requests": 0})
    assert judge_errors(gates, "cloudwatch", window(0)).verdict == "pass"


def test_the_error_gate_has_its_numbers():
    judgement = judge_errors(GATES, "probes", window(200, 5))
    assert judgement.numbers == {
        "source": "probes",
        "requests": 200,
        "failed": 5,
        "rate": 0.025,
        "limit": 0.01,
    }
    assert judgement.text == "probes: 5 of 200 requests failed, limit 1.0%"


def latency(service, monolith, before=None, *, gates=GATES, early=False):
    (judgement,) = judge_latency(gates, "cloudwatch", service, monolith, before, early=early)
    return judgement


@pytest.mark.parametrize(
    ("own", "other", "verdict"),
    [
        (0.2, 0.2, "pass"),
        (0.4, 0.2, "pass"),
        (0.401, 0.2, "fail"),
        (0.6, 0.2, "fail"),
        # Below the floor a ratio is noise.
        (0.025, 0.001, "pass"),
        (0.026, 0.001, "fail"),
    ],
)
def test_a_percentile_is_judged_by_its_ratio_to_the_monolith(own, other, verdict):
    assert latency(window(100, p95=own), window(100, p95=other)).verdict == verdict


@pytest.mark.parametrize(("service", "monolith"), [(19, 100), (100, 19), (0, 0)])
def test_a_percentile_of_too_few_requests_on_one_side_is_inconclusive(service, monolith):
    assert latency(window(service, p95=9.0), window(monolith)).verdict == "inconclusive"


def test_a_percentile_without_a_value_is_inconclusive():
    assert latency(window(100, p95=None), window(100)).verdict == "inconclusive"


def test_before_the_end_of_a_bake_a_percentile_needs_more_requests():
    slow, monolith = window(99, p95=9.0), window(100)
    assert [latency(slow, monolith, early=early).verdict for early in (False, True)] == [
        "fail",
        "inconclusive",
    ]


def test_at_100_percent_the_service_is_compared_with_the_monolith_before_the_shift():
    judgement = latency(window(100, p95=0.7), window(0, p95=None), window(500, p95=0.2))
    assert judgement.verdict == "fail"
    assert "monolith before the shift 200 ms" in judgement.text


def test_the_monolith_is_compared_in_the_same_time_as_long_as_it_has_requests():
    assert (
        latency(window(100, p95=0.7), window(100, p95=0.5), window(500, p95=0.2)).verdict == "pass"
    )


def test_every_percentile_with_a_limit_has_a_verdict_of_its_own():
    gates = GATES.model_copy(update={"latency_ratio": LatencyRatio(p50=1.5, p95=None, p99=3.0)})
    judged = judge_latency(gates, "cloudwatch", window(100, p50=0.2, p99=0.3), window(100))
    assert [(item.gate, item.verdict) for item in judged] == [
        ("latency p50", "fail"),
        ("latency p99", "pass"),
    ]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("OK", "pass"),
        ("ALARM", "fail"),
        ("INSUFFICIENT_DATA", "inconclusive"),
        (None, "inconclusive"),
    ],
)
def test_an_alarm_is_judged_by_its_state(state, verdict):
    (judgement,) = judge_alarms(["forum-5xx"], {"forum-5xx": state} if state else {})
    assert judgement.verdict == verdict


def test_a_missing_alarm_is_named():
    (judgement,) = judge_alarms(["forum-5xx"], {})
    assert judgement.text == "alarm forum-5xx does not exist"


def test_a_service_without_a_healthy_target_fails():
    health = TargetHealth(
        healthy=0, states={"unhealthy": 1}, reasons=("Target.Timeout: Request timed out",)
    )
    judgement = judge_targets(health)
    assert (judgement.verdict, judgement.text) == (
        "fail",
        "targets: 1 unhealthy (Target.Timeout: Request timed out)",
    )


def test_one_healthy_target_is_enough():
    health = TargetHealth(healthy=1, states={"healthy": 1, "unhealthy": 3}, reasons=())
    assert judge_targets(health).verdict == "pass"


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([], "pass"),
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail", "pass"], "fail"),
    ],
)
def test_the_worst_verdict_is_the_steps(verdicts, verdict):
    assert worst([Judgement("errors", each, "") for each in verdicts]) == verdict


def test_a_latency_gate_that_one_source_decided_is_decided():
    judged = [
        Judgement("latency p95", "inconclusive", "cloudwatch"),
        Judgement("latency p95", "pass", "probes"),
    ]
    assert without_open_doubles(judged) == judged[1:]


def test_an_error_gate_must_be_decided_by_each_source():
    judged = [
        Judgement("errors", "inconclusive", "cloudwatch"),
        Judgement("errors", "pass", "probes"),
    ]
    assert without_open_doubles(judged) == judged
