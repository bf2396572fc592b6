"""Access log lines, what they count as, and statistics over them."""

import pytest

from sandbox.cloudwatch.metrics import KEPT, Metrics
from sandbox.cloudwatch.statistic import UnknownStatistic, statistic
from sandbox.elbv2.data_plane.access_log import read_request

ALB, GROUP = "app/alb/1", "targetgroup/tg/2"
ANSWERED = f"request forward {GROUP} 200 -- 5000000 5250000 6000000"


def of_group(**dimensions):
    return {"LoadBalancer": ALB, "TargetGroup": GROUP} | dimensions


def test_a_line_has_the_targets_response_time():
    request = read_request(ANSWERED)
    assert (request.group, request.status, request.target_time, request.time) == (
        GROUP,
        200,
        0.25,
        6.0,
    )


def test_a_line_about_haproxy_itself_is_not_a_request():
    assert read_request("Stopping frontend listener in 0 ms.") is None


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        (ANSWERED, {"RequestCount", "HTTPCode_Target_2XX_Count"}),
        (f"request forward {GROUP} 500 -- 1 2 3", {"RequestCount", "HTTPCode_Target_5XX_Count"}),
        (
            f"request forward {GROUP} 502 SC 1 - 3",
            {
                "RequestCount",
                "TargetConnectionErrorCount",
                "HTTPCode_ELB_5XX_Count",
                "HTTPCode_ELB_502_Count",
            },
        ),
        (
            f"request forward {GROUP} 504 sH 1 - 3",
            {"RequestCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_504_Count"},
        ),
        (f"request forward {GROUP} -1 CH 1 - 3", {"RequestCount", "HTTPCode_ELB_4XX_Count"}),
        ("request none - 503 LR 1 - 3", {"HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_503_Count"}),
        ("request fixed - 200 LR 1 - 3", {"HTTP_Fixed_Response_Count"}),
        ("request redirect - 301 LR 1 - 3", {"HTTP_Redirect_Count", "HTTPCode_ELB_3XX_Count"}),
        ("request - - 400 PR - - 3", {"HTTPCode_ELB_4XX_Count"}),
    ],
)
def test_a_request_counts_as_on_aws(line, metrics):
    assert set(read_request(line).counted()) == metrics


def test_metrics_are_forgotten_after_three_hours():
    metrics = Metrics()
    for second in (6, KEPT + 8):
        metrics.add((ALB, GROUP), second, ["RequestCount"], 0.25)
    assert [second for second, _ in metrics.read("RequestCount", of_group(), 0, 1 << 40)] == [
        KEPT + 8
    ]


def test_host_counts_hold_until_they_change():
    metrics = Metrics()
    metrics.set_hosts({(ALB, GROUP): (1, 0)}, 100.2)
    metrics.set_hosts({(ALB, GROUP): (2, 0)}, 103.9)
    metrics.set_hosts({}, 105.0)
    assert metrics.read("HealthyHostCount", of_group(), 0, 110) == [
        (100, [1.0]),
        (101, [1.0]),
        (102, [1.0]),
        (103, [2.0]),
        (104, [2.0]),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sum", 10.0),
        ("Average", 2.5),
        ("Minimum", 1.0),
        ("Maximum", 4.0),
        ("SampleCount", 4.0),
        ("p0", 1.0),
        ("p50", 2.5),
        ("p100", 4.0),
        ("p99.9", 3.997),
    ],
)
def test_a_statistic_is_over_every_value(name, value):
    assert statistic(name, [4.0, 1.0, 3.0, 2.0]) == pytest.approx(value)


@pytest.mark.parametrize("name", ["tm99", "p101", "p", "sum", "p1000"])
def test_an_unsupported_statistic_is_refused(name):
    with pytest.raises(UnknownStatistic, match="use Average, Sum"):
        statistic(name, [1.0])
