"""A monolith that has become smaller than it was before the split."""

from types import SimpleNamespace

import botocore.exceptions
import pytest

from flows.service import capacity as flow_module
from flows.service.capacity import raise_monolith
from tasks.autoscaling.scaling import Suspension
from tasks.ecs import capacity as module
from tasks.ecs.capacity import raise_to_recorded
from tasks.ecs.size_record import SizeRecord
from tasks.elbv2.rule_matching import Rule


@pytest.fixture
def scaled(monkeypatch):
    """The desired counts that were set; the monolith has 4 tasks on record, and the given ones."""
    counts = []
    record = SizeRecord(4, Suspension.none())

    def give(tasks, tags=record.tags, rules=()):
        service = {"desiredCount": tasks, "tags": tags} if tasks is not None else None
        monkeypatch.setattr(module, "read_service", lambda *_: service)
        monkeypatch.setattr(module, "read_rules", lambda *_: rules)
        monkeypatch.setattr(module.scale_monolith, "plain", lambda *given: counts.append(given[-1]))
        return counts

    return give


def raised():
    return raise_to_recorded(None, "shop", "shop-web", "arn:listener", "shop-split")


@pytest.mark.parametrize("tasks", [0, 1, 3])
def test_a_smaller_monolith_gets_its_recorded_size(scaled, tasks):
    counts = scaled(tasks)
    assert raised() == (tasks, 4)
    assert counts == [4]


@pytest.mark.parametrize("tasks", [4, 6])
def test_a_monolith_that_is_large_enough_stays(scaled, tasks):
    counts = scaled(tasks)
    assert (raised(), counts) == (None, [])


@pytest.mark.parametrize(("tasks", "tags"), [(1, {}), (None, {})], ids=["no record", "no service"])
def test_without_a_record_nothing_is_changed(scaled, tasks, tags):
    counts = scaled(tasks, tags)
    assert (raised(), counts) == (None, [])


def path_rule(record):
    owner = {"split:managed-by": "ecs-splitter", "split:config": "shop-split", "split:role": "path"}
    return Rule("arn:rule", 5, (), (), {**owner, **record.rule_tags})


def test_a_monolith_whose_tags_were_removed_meanwhile_gets_the_size_on_the_rules(scaled):
    counts = scaled(1, {}, [path_rule(SizeRecord(4, Suspension.none()))])
    assert raised() == (1, 4)
    assert counts == [4]


def test_a_size_that_no_run_holds_is_for_a_rollback_alone(scaled):
    counts = scaled(1, {}, [path_rule(SizeRecord(4, None, is_held=False))])
    assert (raised(), counts) == (None, [])


async def test_a_call_that_fails_does_not_keep_the_weights_from_returning(monkeypatch):
    notes = []

    async def refuse(*_):
        response = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise botocore.exceptions.ClientError(response, "UpdateService")

    monkeypatch.setattr(flow_module, "call", refuse)
    monkeypatch.setattr(flow_module, "emit", lambda _kind, _name, text: notes.append(text))
    placement = SimpleNamespace(
        name="cart",
        aws=None,
        discovered=SimpleNamespace(cluster_arn="arn:cluster"),
        listener_arn="arn:listener",
        config=SimpleNamespace(name="shop", monolith=SimpleNamespace(service="shop-web")),
    )
    await raise_monolith(placement)
    assert notes[0].startswith("shop-web could not be given its former size")
