"""Where the monolith's size is recorded, and which size counts for its rollback."""

import pytest

from tasks.autoscaling.scaling import Suspension
from tasks.ecs.size_record import SizeRecord, recorded_size, size_to_record
from tasks.elbv2.rule_matching import Rule

OWN = {"split:managed-by": "ecs-splitter", "split:config": "shop", "split:role": "path"}
OLD_TAGS = {"split:desired-count": "4", "split:scaling": "in=0 out=0 scheduled=1"}
SCHEDULED = Suspension(scale_in=False, scale_out=False, scheduled=True)
ON = Suspension.none()


def path_rule(**tags):
    return Rule("arn:rule/5", 5, (), (), {**OWN, **tags})


def with_record(record):
    return path_rule(**record.rule_tags)


def test_a_drained_monolith_of_an_earlier_release_is_known_by_its_own_tags():
    assert recorded_size(OLD_TAGS, [path_rule()], "shop") == SizeRecord(4, SCHEDULED)


def test_the_size_survives_when_terraform_removes_the_monolith_s_tags():
    record = SizeRecord(4, SCHEDULED)
    assert recorded_size({}, [with_record(record)], "shop") == record


def test_one_path_rule_with_the_record_is_enough():
    record = SizeRecord(4, None)
    assert recorded_size({}, [path_rule(), with_record(record)], "shop") == record


def test_rules_of_another_split_do_not_count():
    assert recorded_size({}, [with_record(SizeRecord(4, None))], "forum") is None


def test_without_any_tag_nothing_is_recorded():
    assert recorded_size({}, [path_rule()], "shop") is None


def test_a_size_whose_scaling_was_restored_is_not_held():
    found = recorded_size({}, [with_record(SizeRecord(4, None, is_held=False))], "shop")
    assert (found.desired_count, found.is_held) == (4, False)


def test_the_largest_recorded_size_counts():
    smaller = with_record(SizeRecord(2, None, is_held=False))
    assert recorded_size(OLD_TAGS, [smaller], "shop").desired_count == 4


@pytest.mark.parametrize(
    ("before", "is_serving", "count"),
    [
        (None, False, 2),
        (SizeRecord(4, ON, is_held=False), False, 2),
        (SizeRecord(4, ON, is_held=False), True, 4),
        (SizeRecord(4, ON), False, 4),
        (SizeRecord(1, ON), True, 2),
    ],
    ids=["first run", "rolled back since", "another service serves", "killed run", "grown since"],
)
def test_the_size_that_a_run_records(before, is_serving, count):
    assert size_to_record(2, ON, before, is_serving=is_serving).desired_count == count


def test_a_killed_run_s_record_of_the_scaling_stays():
    suspended_by_the_killed_run = ON.without_scale_in(scheduled=False)
    record = size_to_record(4, suspended_by_the_killed_run, SizeRecord(4, ON), is_serving=False)
    assert record.suspension == ON


def test_scale_out_stays_on_while_scale_in_is_suspended():
    held = ON.without_scale_in(scheduled=True)
    assert str(held) == "in=1 out=0 scheduled=1"
