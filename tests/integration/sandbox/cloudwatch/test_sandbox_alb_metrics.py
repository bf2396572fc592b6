"""The load balancer's CloudWatch metrics, compared with real requests and answers."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.integration.sandbox.elbv2.sandbox_alb import eventually, fixed, forward, served_site

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served_site(tmp_path_factory.mktemp("alb")) as served:
        yield served


class Watched:
    """A listener that forwards to one target, and its metrics."""

    def __init__(self, site):
        self.cloudwatch = site.client("cloudwatch")
        self.target = site.run_target()
        self.group = site.group()
        self.listener = site.serve(forward({self.group: 1}))
        site.register_targets(self.group, self.target)
        eventually(lambda: site.states(self.group) == ["healthy"])
        self.of_load_balancer = [{"Name": "LoadBalancer", "Value": self.listener.label}]
        label = self.group.rpartition(":")[2]
        self.of_group = [{"Name": "TargetGroup", "Value": label}, *self.of_load_balancer]
        eventually(lambda: self.listener.status() == 200)
        self.asked = 1

    def data(self, metric, stat="Sum", period=3600, dimensions=None):
        now = datetime.now(UTC)
        asked = {
            "Namespace": "AWS/ApplicationELB",
            "MetricName": metric,
            "Dimensions": dimensions or self.of_group,
        }
        query = {"Id": "q", "MetricStat": {"Metric": asked, "Period": period, "Stat": stat}}
        found = self.cloudwatch.get_metric_data(
            MetricDataQueries=[query],
            StartTime=now - HOUR,
            EndTime=now + HOUR,
            ScanBy="TimestampAscending",
        )["MetricDataResults"][0]
        return list(zip(found["Timestamps"], found["Values"], strict=True))

    def value(self, metric, **query):
        return sum(value for _, value in self.data(metric, **query))

    def statistics(self, metric, period=3600, **wanted):
        now = datetime.now(UTC)
        return self.cloudwatch.get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName=metric,
            Dimensions=self.of_group,
            StartTime=now - HOUR,
            EndTime=now + HOUR,
            Period=period,
            **wanted,
        )["Datapoints"]


@pytest.fixture
def watched(site):
    return Watched(site)


def test_every_request_is_counted_for_group_and_load_balancer(watched):
    watched.listener.count(200)
    eventually(lambda: watched.value("RequestCount") == 201)
    assert watched.value("RequestCount", dimensions=watched.of_load_balancer) == 201


def test_requests_are_counted_while_the_routing_changes(site, watched):
    for number in range(5):
        watched.listener.count(100)
        watched.listener.rule(number + 1, [path(f"/{number}")], fixed("x"))
        site.register_targets(watched.group, site.run_target())
    eventually(lambda: watched.value("RequestCount") == 501)


def path(pattern):
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": [pattern]}}


@pytest.mark.parametrize(
    ("status", "metric"),
    [
        (204, "HTTPCode_Target_2XX_Count"),
        (302, "HTTPCode_Target_3XX_Count"),
        (404, "HTTPCode_Target_4XX_Count"),
        (503, "HTTPCode_Target_5XX_Count"),
    ],
)
def test_the_targets_own_codes_are_counted_by_hundreds(watched, status, metric):
    before = watched.value(metric)
    for _ in range(3):
        watched.listener.status(f"/status/{status}")
    eventually(lambda: watched.value(metric) == before + 3)


def test_a_targets_503_is_not_the_load_balancers(watched):
    of_load_balancer = watched.of_load_balancer
    before = watched.value("HTTPCode_ELB_503_Count", dimensions=of_load_balancer)
    watched.listener.status("/status/503")
    eventually(lambda: watched.value("HTTPCode_Target_5XX_Count") == 1)
    assert watched.value("HTTPCode_ELB_503_Count", dimensions=of_load_balancer) == before


def test_the_load_balancers_own_errors_are_not_the_targets(watched):
    assert watched.listener.status("/garbage") == 502
    of_load_balancer = watched.of_load_balancer
    eventually(lambda: watched.value("HTTPCode_ELB_502_Count", dimensions=of_load_balancer) == 1)
    assert watched.value("HTTPCode_Target_5XX_Count", dimensions=of_load_balancer) == 0


def test_a_request_without_a_target_counts_only_as_a_503(site, watched):
    site.deregister_targets(watched.group, watched.target)
    eventually(lambda: watched.listener.status() == 503)
    of_load_balancer = watched.of_load_balancer
    eventually(lambda: watched.value("HTTPCode_ELB_503_Count", dimensions=of_load_balancer) >= 1)
    assert watched.value("HTTPCode_Target_5XX_Count", dimensions=of_load_balancer) == 0


def test_a_period_without_requests_has_no_datapoint(watched):
    assert watched.data("HTTPCode_Target_5XX_Count") == []


def test_a_metric_with_other_dimensions_has_no_data(watched):
    zone = [{"Name": "AvailabilityZone", "Value": "us-east-1a"}]
    assert watched.data("RequestCount", dimensions=zone + watched.of_load_balancer) == []


def test_response_times_are_the_targets(watched):
    watched.target.delay = 0.2
    for _ in range(5):
        watched.listener.text()
    eventually(lambda: watched.value("RequestCount") == 6)
    point = watched.statistics(
        "TargetResponseTime", Statistics=["Maximum", "Sum", "SampleCount", "Minimum"]
    )[0]
    assert point["Maximum"] == pytest.approx(0.2, abs=0.05)
    assert point["Sum"] == pytest.approx(1.0, abs=0.15)
    assert point["SampleCount"] == 6
    assert point["Minimum"] < 0.1


def test_percentiles_are_those_of_the_real_values(watched):
    for delay in (0.0, 0.0, 0.0, 0.3):
        watched.target.delay = delay
        watched.listener.text()
    eventually(lambda: watched.value("RequestCount") == 5)
    found = watched.statistics("TargetResponseTime", ExtendedStatistics=["p50", "p99", "p99.9"])[0][
        "ExtendedStatistics"
    ]
    assert found["p50"] < 0.1
    assert found["p99"] == pytest.approx(0.29, abs=0.05)
    assert found["p99.9"] == pytest.approx(0.30, abs=0.05)
    assert watched.value("TargetResponseTime", stat="p99") == pytest.approx(found["p99"], abs=1e-4)


def test_a_period_of_one_second_gives_a_datapoint_a_second(watched):
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        watched.listener.count(10)
    points = watched.data("RequestCount", period=1)
    assert len(points) >= 3
    assert all(moment.microsecond == 0 for moment, _ in points)


def test_an_unknown_statistic_is_refused_with_those_that_are_known(watched):
    with pytest.raises(ClientError, match="use Average, Sum"):
        watched.value("TargetResponseTime", stat="tm99")


def test_healthy_and_unhealthy_hosts_are_counted(site, watched):
    ill = site.run_target()
    ill.health = 500
    group = site.group(watched.target, ill, often=True)
    watched.listener.rule(1, [path("/other")], forward({group: 1}))
    dimensions = [
        {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
        *watched.of_load_balancer,
    ]
    eventually(lambda: set(site.states(group)) == {"healthy", "unhealthy"})
    eventually(
        lambda: (
            watched.data("UnHealthyHostCount", period=1, dimensions=dimensions, stat="Maximum")[-1][
                1
            ]
            == 1
        )
    )
    assert (
        watched.data("HealthyHostCount", period=1, dimensions=dimensions, stat="Maximum")[-1][1]
        == 1
    )


def test_the_metrics_are_listed(watched):
    found = watched.cloudwatch.list_metrics(
        Namespace="AWS/ApplicationELB", MetricName="RequestCount"
    )["Metrics"]
    dimensions = [sorted(item["Value"] for item in metric["Dimensions"]) for metric in found]
    assert sorted(item["Value"] for item in watched.of_group) in dimensions


def test_other_namespaces_stay_as_they_are(watched):
    watched.cloudwatch.put_metric_data(
        Namespace="Own", MetricData=[{"MetricName": "m", "Value": 7}]
    )
    own = {"Namespace": "Own", "MetricName": "m"}
    theirs = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "RequestCount",
        "Dimensions": watched.of_group,
    }
    now = datetime.now(UTC)
    eventually(lambda: watched.value("RequestCount") == 1)
    found = watched.cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": name, "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
            for name, metric in (("a", own), ("b", theirs))
        ],
        StartTime=now - HOUR,
        EndTime=now + HOUR,
    )["MetricDataResults"]
    assert [(item["Id"], item["Values"]) for item in found] == [("a", [7.0]), ("b", [1.0])]


def test_an_alarm_on_a_load_balancers_metric_changes_to_alarm(watched):
    watched.cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_Target_5XX_Count",
        Dimensions=watched.of_group,
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    watched.listener.status("/status/500")
    eventually(
        lambda: watched.cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"] == "ALARM"
    )
