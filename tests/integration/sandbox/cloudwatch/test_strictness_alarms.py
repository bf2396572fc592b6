"""CloudWatch alarms follow their metric, through boto3."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.sandbox.strictness import served_aws


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.fixture(scope="module")
def cloudwatch(aws):
    return aws.client("cloudwatch")


@pytest.fixture
def name(aws):
    return aws.name("alarm")


def put_alarm(cloudwatch, name, **settings):
    ours = {
        "Namespace": "Test",
        "MetricName": name,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(AlarmName=name, **ours | settings)


def put_value(cloudwatch, name, value, *, minutes_ago=0, **settings):
    moment = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    datum = {"MetricName": name, "Value": value, "Timestamp": moment} | settings
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[datum])


def state(cloudwatch, name):
    return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def test_a_new_alarm_has_insufficient_data(cloudwatch, name):
    put_alarm(cloudwatch, name)
    assert state(cloudwatch, name) == "INSUFFICIENT_DATA"


def test_an_alarm_whose_metric_keeps_within_the_threshold_is_ok(cloudwatch, name):
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, name, 5)
    assert state(cloudwatch, name) == "OK"


def test_an_alarm_returns_to_ok(cloudwatch, name):
    put_alarm(cloudwatch, name, Statistic="Average")
    put_value(cloudwatch, name, 9)
    assert state(cloudwatch, name) == "ALARM"
    put_value(cloudwatch, name, 0)
    assert state(cloudwatch, name) == "OK"


def test_an_alarm_waits_for_its_evaluation_periods(cloudwatch, name):
    put_alarm(cloudwatch, name, EvaluationPeriods=2)
    put_value(cloudwatch, name, 9)
    put_value(cloudwatch, name, 1, minutes_ago=1)
    assert state(cloudwatch, name) == "OK"


def test_an_alarm_needs_its_datapoints_out_of_its_evaluation_periods(cloudwatch, name):
    put_alarm(cloudwatch, name, EvaluationPeriods=3, DatapointsToAlarm=2)
    for minutes_ago, value in enumerate((9, 1, 9)):
        put_value(cloudwatch, name, value, minutes_ago=minutes_ago)
    assert state(cloudwatch, name) == "ALARM"


def test_an_alarm_evaluates_its_own_dimensions(cloudwatch, name):
    ours = [
        {"Name": "LoadBalancer", "Value": "app/a/1"},
        {"Name": "TargetGroup", "Value": "targetgroup/a/1"},
    ]
    others = [ours[0], {"Name": "TargetGroup", "Value": "targetgroup/b/1"}]
    put_alarm(cloudwatch, name, Dimensions=ours)
    put_value(cloudwatch, name, 9, Dimensions=others)
    put_value(cloudwatch, name, 1, Dimensions=ours)
    assert state(cloudwatch, name) == "OK"


def test_missing_data_is_treated_as_the_alarm_specifies(cloudwatch, name):
    put_alarm(cloudwatch, name, TreatMissingData="breaching")
    assert state(cloudwatch, name) == "ALARM"


def test_a_sum_that_is_too_low_is_judged_when_its_period_is_over(cloudwatch, name):
    put_alarm(cloudwatch, name, ComparisonOperator="LessThanThreshold")
    put_value(cloudwatch, name, 1)
    put_value(cloudwatch, name, 9, minutes_ago=1)
    assert state(cloudwatch, name) == "OK"


def test_alarms_are_described_by_the_state_they_are_in_now(cloudwatch, name):
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, name, 9)
    found = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert name in [alarm["AlarmName"] for alarm in found]


def test_a_state_that_is_set_lasts_until_the_next_evaluation(cloudwatch, name):
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, name, 1)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="rehearsal")
    assert state(cloudwatch, name) == "ALARM"


def test_an_alarm_that_is_put_again_keeps_its_state(cloudwatch, name):
    put_alarm(cloudwatch, name)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="rehearsal")
    put_alarm(cloudwatch, name, Threshold=6)
    assert state(cloudwatch, name) == "ALARM"
