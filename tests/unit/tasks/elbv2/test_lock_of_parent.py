"""Whether a part of a run, in a process of its own, still works under the lock of its run."""

import pytest

from tasks.elbv2 import lock as module
from tasks.elbv2.lock import is_taken_over, work_under
from tasks.elbv2.rule_matching import Rule

LISTENER, PARENT, OTHER = "arn:listener", "arn:lock/1", "arn:lock/2"


@pytest.fixture
def locked_by(monkeypatch):
    """Lets the listener's lock be a rule of that ARN."""
    monkeypatch.setattr(module, "_PARENTS", {})

    def set_lock(arn):
        rules = [Rule(arn, 50_000, (), ())]
        monkeypatch.setattr(module, "read_rules", lambda *_: rules)

    return set_lock


async def test_a_part_of_a_run_keeps_the_lock_of_its_run(locked_by):
    locked_by(PARENT)
    work_under(LISTENER, PARENT)
    assert not await is_taken_over(None, LISTENER)


async def test_a_part_of_a_run_finds_that_another_run_took_over(locked_by):
    locked_by(OTHER)
    work_under(LISTENER, PARENT)
    assert await is_taken_over(None, LISTENER)


async def test_a_run_with_its_own_lock_asks_nobody(locked_by):
    locked_by(OTHER)
    assert not await is_taken_over(None, LISTENER)
