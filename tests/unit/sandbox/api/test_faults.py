"""Specifications of faults: the grammar, and which calls fail."""

import threading
import time

import pytest

from sandbox.api.call import Call
from sandbox.api.faults import Faults, InvalidFaults, parse_faults

CALL = Call("ecs", "CreateService", {}, "AKIA")


def test_no_call_fails_by_default():
    assert Faults(parse_faults("")).before(CALL) is None


def test_a_specification_has_several_faults():
    plan = parse_faults("throttle=0.1, slow=0.2,crash=users,crash=posts,unhealthy=users-tg")
    assert (plan.shares, plan.slow, plan.crash, plan.unhealthy) == (
        {"throttle": 0.1},
        0.2,
        {"users", "posts"},
        {"users-tg"},
    )


def test_a_rule_takes_as_long_as_specified():
    assert parse_faults("rule-propagation=2.5").rule_propagation == 2.5


@pytest.mark.parametrize(
    "spec",
    [
        "rain",
        "rain=1",
        "slow=",
        "slow=-1",
        "slow=x",
        "throttle=2",
        "error=-0.1",
        "hold=0",
        "hold=A:0",
        "lost=A:0",
        "lost=A:x",
        "rule-propagation=-1",
    ],
)
def test_an_invalid_entry_is_shown_with_the_grammar(spec):
    with pytest.raises(InvalidFaults, match=f"'{spec}' is not valid; use throttle=P"):
        parse_faults(spec)


def test_an_action_fails_as_often_as_specified():
    faults = Faults(parse_faults("throttle=CreateService:2"))
    assert [faults.before(CALL) for _ in range(3)] == ["throttle", "throttle", None]


def test_a_denied_action_is_always_denied():
    faults = Faults(parse_faults("deny=CreateService"))
    assert [faults.before(CALL) for _ in range(2)] == ["deny", "deny"]


def test_a_share_of_calls_fails():
    faults = Faults(parse_faults("error=0.25"))
    met = sum(faults.before(CALL) == "error" for _ in range(1000))
    assert 200 <= met <= 300


def test_one_answer_is_lost():
    faults = Faults(parse_faults("lost=CreateService"))
    assert [faults.loses(CALL) for _ in range(2)] == [True, False]


def test_the_nth_answer_of_an_action_is_held_back_until_the_faults_change():
    faults = Faults(parse_faults("hold=CreateService:2"))
    faults.hold(Call("ecs", "UpdateService", {}, "AKIA"))
    faults.hold(CALL)
    assert not faults.holding
    second = threading.Thread(target=faults.hold, args=(CALL,))
    second.start()
    deadline = time.monotonic() + 10
    while not faults.holding:
        assert time.monotonic() < deadline
    faults.set(parse_faults(""))
    second.join(10)
    assert not second.is_alive()
