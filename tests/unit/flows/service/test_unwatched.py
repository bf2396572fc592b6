"""What becomes of traffic that an interrupted run has left at a service."""

import asyncio
from types import SimpleNamespace

import pytest

from config.errors import BuildFailed, StepFailed, TrafficConflict
from flows.service import settle as settle_module
from flows.service import unwatched as module
from flows.service.settle import settle_service
from flows.service.unwatched import returned_after_failure
from tasks.aws.tags import Owner
from tasks.elbv2.rule_matching import Rule, weighted_forward

WEB, CART = "arn:web", "arn:cart"
OWNER = Owner(split="shop", service="cart", adopt=False)
TAGS = {"split:managed-by": "ecs-splitter", "split:role": "path", **OWNER.tags}


def path_rule(weight, chunk=0):
    actions = weighted_forward({WEB: 100 - weight, CART: weight})
    tags = {**TAGS, "split:chunk": str(chunk)}
    return Rule(f"arn:rule/{chunk}", 5 + chunk, (), tuple(actions), tags)


class Listener:
    """The rules of a listener, and what is returned to the monolith."""

    def __init__(self, monkeypatch):
        self.rules, self.returned = [], []
        self.taken_over, self.failure = False, None
        self.config = SimpleNamespace(
            aws=None,
            name="shop",
            monolith=SimpleNamespace(service="web"),
            service=lambda name: SimpleNamespace(name=name, target_group="cart-tg"),
        )
        self.discovered = SimpleNamespace(
            listener_arn="arn:listener",
            monolith=SimpleNamespace(target_group_arn=WEB, desired_count=2),
            route=lambda: None,
        )
        monkeypatch.setattr(module, "call", self._call)
        monkeypatch.setattr(module, "roll_back_to_monolith", self._roll_back)
        monkeypatch.setattr(module, "is_taken_over", self._is_taken_over)

    async def _call(self, function, *_):
        return self.rules if function is module.read_rules else {"TargetGroupArn": CART}

    async def _is_taken_over(self, *_):
        return self.taken_over

    async def _roll_back(self, placement, why, *, observe):
        self.returned.append((placement.rule_arns, why, observe))
        if self.failure:
            raise self.failure

    async def fail(self, error):
        async with returned_after_failure(self.config, self.discovered, OWNER):
            raise error


@pytest.fixture
def listener(monkeypatch):
    return Listener(monkeypatch)


async def test_a_build_that_fails_does_not_leave_half_of_the_users_without_a_gate(
    listener, monkeypatch
):
    async def prepare(*_):
        raise BuildFailed("no space left")

    monkeypatch.setattr(settle_module, "prepare", prepare)
    monkeypatch.setattr(settle_module, "emit", lambda *_, **__: None)
    listener.rules = [path_rule(100), path_rule(50, 1)]
    with pytest.raises(BuildFailed):
        await settle_service.fn(listener.config, "cart", listener.discovered, image="cart:2")
    assert listener.returned == [(("arn:rule/0", "arn:rule/1"), "no space left", True)]


@pytest.mark.parametrize("weight", [0, 100], ids=["dark", "settled"])
async def test_a_service_with_no_or_all_requests_keeps_its_weight(listener, weight):
    listener.rules = [path_rule(weight)]
    with pytest.raises(BuildFailed):
        await listener.fail(BuildFailed("no space left"))
    assert listener.returned == []


async def test_a_cancelled_run_returns_them_and_waits_for_nothing(listener):
    listener.rules = [path_rule(50)]
    with pytest.raises(asyncio.CancelledError):
        await listener.fail(asyncio.CancelledError())
    assert listener.returned == [(("arn:rule/0",), "run cancelled", False)]


async def test_weights_of_another_run_stay(listener):
    listener.rules, listener.taken_over = [path_rule(50)], True
    with pytest.raises(BuildFailed):
        await listener.fail(BuildFailed("no space left"))
    assert listener.returned == []


async def test_a_rule_that_somebody_changed_stays_as_its_message_states(listener):
    listener.rules = [path_rule(50)]
    with pytest.raises(TrafficConflict):
        await listener.fail(TrafficConflict("somebody else changed it"))
    assert listener.returned == []


async def test_a_return_that_fails_does_not_hide_the_first_error(listener):
    listener.rules = [path_rule(50)]
    listener.failure = TrafficConflict("rule 5 was changed")
    with pytest.raises(StepFailed, match=r"no space left; and .*rule 5 was changed"):
        await listener.fail(BuildFailed("no space left"))
