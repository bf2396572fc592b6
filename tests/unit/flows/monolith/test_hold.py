"""When the monolith's scale-in is suspended, and when it is resumed."""

import asyncio
from types import SimpleNamespace

import botocore.exceptions
import pytest
from prefect.exceptions import Pause

from config.errors import StepFailed
from flows.monolith import hold as module
from flows.monolith.hold import Held, end_hold, hold_scale_in, scale_in_held
from tasks.autoscaling.scaling import Suspension
from tasks.ecs.size_record import SizeRecord
from tasks.elbv2.rule_matching import Rule, weighted_forward

WEB, CART = "arn:shop-web", "arn:cart"
ON = Suspension.none()
HELD = ON.without_scale_in(scheduled=False)
OWN = {"split:managed-by": "ecs-splitter", "split:config": "shop", "split:role": "path"}


def rule(weight, written="0:0", record=None):
    condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/cart*"]}}
    actions = weighted_forward({WEB: 100 - weight, CART: weight})
    tags = {**OWN, "split:weights": written, **(record.rule_tags if record else {})}
    return Rule("arn:rule/5", 5, (condition,), tuple(actions), tags)


class Aws:
    """The monolith, and the calls that change it."""

    def __init__(self, monkeypatch, *rules, desired_count=4, scaling=ON, record=None, actions=()):
        tags = record.tags if record else {}
        self.changes, self.notes = [], []
        self.rules, self.actions, self.error = rules, actions, None
        self.taken_over = ()
        self.monolith = SimpleNamespace(
            desired_count=desired_count,
            scaling=scaling,
            tags=tags,
            service_arn="arn:service/shop/shop-web",
            target_group_arn=WEB,
        )
        for name in (
            "record_size",
            "record_on_rules",
            "write_suspension",
            "forget_size",
            "forget_on_rules",
            "forget_taken_over",
        ):
            monkeypatch.setattr(module, name, self._changing(name))
        monkeypatch.setattr(module, "call", self._call)
        monkeypatch.setattr(module, "was_lost", lambda _: False)
        monkeypatch.setattr(module, "Site", lambda *_: self.site)
        monkeypatch.setattr(module, "_note", lambda text, **_: self.notes.append(text))

    @property
    def site(self):
        return SimpleNamespace(
            aws=None,
            cluster_arn="arn:cluster",
            listener_arn="arn:listener",
            name="shop-web",
            config=SimpleNamespace(name="shop"),
            read=self._read,
        )

    async def _read(self):
        return self.monolith

    async def _call(self, function, *_):
        if function is module.read_taken_over:
            return self.taken_over
        return self.rules if function is module.read_rules else self.actions

    def _changing(self, name):
        async def change(*arguments, **_):
            if self.error:
                raise self.error
            self.changes.append((name, arguments[-1]))

        return change

    @property
    def suspended(self):
        """What was suspended, in turn."""
        return [value for name, value in self.changes if name == "write_suspension"]


async def hold(aws):
    await hold_scale_in(aws.site)


async def test_the_size_is_recorded_before_scale_in_is_suspended(monkeypatch):
    aws = Aws(monkeypatch)
    await hold(aws)
    assert aws.changes == [("record_size", SizeRecord(4, ON)), ("write_suspension", HELD)]


async def test_a_later_run_keeps_the_size_it_finds_and_a_rollback_the_size_before_the_split(
    monkeypatch,
):
    settled = rule(100, "50:100", SizeRecord(4, None, is_held=False))
    aws = Aws(monkeypatch, settled, desired_count=2)
    await hold(aws)
    assert aws.changes[:2] == [
        ("record_size", SizeRecord(2, ON)),
        ("record_on_rules", SizeRecord(4, ON)),
    ]


async def test_scheduled_scaling_stays_on_unless_an_action_would_take_tasks_away(monkeypatch):
    aws = Aws(monkeypatch, actions=("every-night",))
    await hold(aws)
    assert aws.suspended == [ON.without_scale_in(scheduled=True)]
    assert "scheduled scaling, as every-night would leave it fewer than 4" in aws.notes[0]


async def test_the_hold_of_a_killed_run_is_continued(monkeypatch):
    record = SizeRecord(4, ON)
    aws = Aws(monkeypatch, rule(50, "10:50", record), scaling=HELD, record=record)
    await hold(aws)
    assert aws.changes == []


async def test_a_monolith_without_autoscaling_is_only_recorded(monkeypatch):
    aws = Aws(monkeypatch, scaling=None)
    await hold(aws)
    assert aws.changes == [("record_size", SizeRecord(4, None))]


async def test_a_monolith_that_cannot_have_tags_is_split_without_a_hold(monkeypatch):
    aws = Aws(monkeypatch)
    aws.monolith.service_arn = "arn:service/shop-web"
    await hold(aws)
    assert aws.changes == []
    assert "scale-in of shop-web is not suspended" in aws.notes[0]


async def test_a_monolith_that_cannot_have_tags_is_recorded_on_path_rules_that_exist(monkeypatch):
    aws = Aws(monkeypatch, rule(100, "50:100"))
    aws.monolith.service_arn = "arn:service/shop-web"
    await hold(aws)
    assert aws.changes[0] == ("record_on_rules", SizeRecord(4, ON))


async def test_a_monolith_without_tasks_and_record_is_left_alone(monkeypatch):
    aws = Aws(monkeypatch, desired_count=0)
    await hold(aws)
    assert aws.changes == []


def held(monkeypatch, *rules, **settings):
    return Aws(monkeypatch, *rules, scaling=HELD, record=SizeRecord(4, ON), **settings)


async def test_scaling_is_resumed_once_the_service_has_settled(monkeypatch):
    aws = held(monkeypatch, rule(100, "50:100", SizeRecord(4, ON)))
    await end_hold(aws.site)
    assert aws.suspended == [ON]


async def test_the_size_stays_recorded_for_a_later_rollback(monkeypatch):
    aws = held(monkeypatch, rule(100, "50:100", SizeRecord(4, ON)), desired_count=6)
    await end_hold(aws.site)
    assert ("record_on_rules", SizeRecord(6, None, is_held=False)) in aws.changes


async def test_scaling_is_resumed_where_a_failed_gate_has_sent_everything_back(monkeypatch):
    aws = held(monkeypatch, rule(0, "50:0"))
    await end_hold(aws.site)
    assert aws.suspended == [ON]


@pytest.mark.parametrize(
    ("rules", "cancelled"),
    [([rule(50, "10:50")], False), ([rule(0, "50:0")], True)],
    ids=["half of the traffic", "a cancelled run has just sent it back"],
)
async def test_scale_in_stays_suspended_while_traffic_returns(monkeypatch, rules, cancelled):
    aws = held(monkeypatch, *rules)
    await end_hold(aws.site, cancelled=cancelled)
    assert aws.changes == []
    assert "flows.rollback or flows.teardown resumes it" in aws.notes[0]


async def test_a_run_that_was_cancelled_before_its_first_weight_resumes_scaling(monkeypatch):
    aws = held(monkeypatch, rule(0))
    await end_hold(aws.site, cancelled=True)
    assert aws.suspended == [ON]


async def test_a_drained_monolith_keeps_its_record(monkeypatch):
    aws = held(monkeypatch, rule(100, "50:100"), desired_count=0)
    await end_hold(aws.site)
    assert aws.changes == []


async def test_a_drain_that_could_not_be_undone_keeps_the_record_for_a_rollback(monkeypatch):
    aws = held(monkeypatch, rule(100, "50:100", SizeRecord(4, ON)))
    aws.taken_over = (Rule("arn:rule/9", 9, (), tuple(weighted_forward({CART: 1}))),)
    await end_hold(aws.site)
    assert aws.changes == []
    assert "rule 9 (*) does not forward to it again yet" in aws.notes[0]


async def test_a_monolith_that_has_its_rules_again_resumes_scaling(monkeypatch):
    aws = held(monkeypatch, rule(0, "100:0", SizeRecord(4, ON)))
    aws.taken_over = (Rule("arn:rule/9", 9, (), tuple(weighted_forward({WEB: 1}))),)
    await end_hold(aws.site)
    assert aws.suspended == [ON]


async def test_scaling_that_cannot_be_resumed_fails_the_run_by_name(monkeypatch):
    aws = held(monkeypatch, rule(100, "50:100"))
    response = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    aws.error = botocore.exceptions.ClientError(response, "RegisterScalableTarget")
    with pytest.raises(StepFailed, match="scaling of shop-web is still suspended"):
        await end_hold(aws.site)


async def run(error=None):
    async with scale_in_held(None, None, shifts=True):
        if error:
            raise error


async def test_an_error_of_the_run_passes_and_scaling_is_resumed(monkeypatch):
    aws = held(monkeypatch, rule(0, "50:0"))
    with pytest.raises(ZeroDivisionError):
        await run(ZeroDivisionError())
    assert aws.suspended == [ON]


async def test_a_cancelled_run_that_has_sent_traffic_back_keeps_the_hold(monkeypatch):
    aws = held(monkeypatch, rule(0, "50:0", SizeRecord(4, ON)))
    with pytest.raises(asyncio.CancelledError):
        await run(asyncio.CancelledError())
    assert aws.suspended == []


async def test_a_run_that_is_suspended_for_an_approval_keeps_the_hold(monkeypatch):
    aws = held(monkeypatch, rule(100, "50:100", SizeRecord(4, ON)))
    with pytest.raises(Pause):
        await run(Pause())
    assert aws.suspended == []


def test_a_rule_whose_weights_are_the_monolith_s_own_shares_nothing():
    monolith = SimpleNamespace(target_group_arn=WEB)
    assert Held(monolith, (rule(0), rule(100)), None).shared == []


async def test_a_monolith_that_could_not_be_restored_keeps_the_hold_and_people_learn_it(
    monkeypatch,
):
    aws = held(monkeypatch, rule(100, "50:100", SizeRecord(4, ON)))
    text = await end_hold(aws.site, unrestored=True)
    assert aws.suspended == []
    assert text == (
        "scale-in of shop-web stays suspended: it could not be restored; the next flows.split, "
        "flows.rollback or flows.teardown resumes it"
    )
    assert aws.notes == [text]
