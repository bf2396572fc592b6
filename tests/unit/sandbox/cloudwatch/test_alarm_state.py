"""
AWS's own tables of how an alarm treats missing data: 3 evaluation periods, a range of 5 points.
"""

import pytest

from sandbox.cloudwatch.alarm_state import judge

MEANING = {"X": True, "0": False, "-": None}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
# Points oldest first as AWS prints them; datapoints to alarm; the state for each treatment, None
# for "retain".
ROWS = (
    ("0-X-X", 3, ("OK", "OK", "OK", "OK")),
    ("0----", 3, ("OK", "OK", "OK", "OK")),
    ("-----", 3, ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
    ("0XX-X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("--X--", 3, ("ALARM", None, "ALARM", "OK")),
    ("0-X-X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("00X0X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0-X--", 2, ("OK", "OK", "ALARM", "OK")),
    ("----0", 2, ("OK", "OK", "ALARM", "OK")),
    ("---X-", 2, ("ALARM", None, "ALARM", "OK")),
)


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize(("points", "datapoints", "states"), ROWS)
def test_an_alarm_is_in_the_state_that_aws_documents(points, datapoints, states, treatment):
    newest_first = [MEANING[point] for point in reversed(points)]
    assert judge(newest_first, 3, datapoints, treatment) == states[TREATMENTS.index(treatment)]


def test_one_breaching_point_of_three_is_no_alarm_yet():
    assert judge([True, None, None, None, None], 3, 3, "missing") != "ALARM"
