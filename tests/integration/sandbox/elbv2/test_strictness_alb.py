"""The strictness layer and the load balancers' data plane together."""

import http.client
import time
from contextlib import closing

import pytest

from sandbox.addresses import Addresses
from sandbox.api.faults import Faults, Plan
from sandbox.elbv2.data_plane.load_balancers import LoadBalancers
from tests.integration.sandbox.strictness import forward, served_aws


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with closing(Addresses()) as addresses:
        balancers = LoadBalancers(addresses, tmp_path_factory.mktemp("run"), Faults(Plan()))
        with served_aws(lambda _: [balancers]) as served:
            yield served


def dns_name(aws, arn):
    return aws.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0][
        "DNSName"
    ]


def test_an_alarm_follows_a_load_balancers_metric(aws):
    cloudwatch, arn, name = aws.client("cloudwatch"), aws.load_balancer(), aws.name("alarm")
    aws.listener(arn, Port=8080, DefaultActions=[forward(aws.target_group())])
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_ELB_5XX_Count",
        Dimensions=[{"Name": "LoadBalancer", "Value": arn.partition(":loadbalancer/")[2]}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    assert fetch(dns_name(aws, arn), 8080) == 503
    deadline = time.monotonic() + 10
    state = None
    while state != "ALARM" and time.monotonic() < deadline:
        state = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]
    assert state == "ALARM"


def fetch(host, port):
    """The status of `GET /`, once something listens."""
    deadline = time.monotonic() + 10
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
        finally:
            connection.close()
