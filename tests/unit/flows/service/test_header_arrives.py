"""What the message names when a request does not reach the rule that tests the header."""

from types import SimpleNamespace

import pytest

from config.errors import PreflightFailed
from flows.service.proof import header as module
from flows.service.proof.header import verify_header_arrives
from tasks.aws.tags import Owner
from tasks.elbv2.rule_matching import Rule, path_condition
from tasks.http.client import PREVIEW_HEADER, Response
from tasks.http.nonce import Miss
from tasks.http.request import Request

OWN = "arn:rule/own"
REQUEST = Request("/users/1")
HOST = {"Field": "host-header", "HostHeaderConfig": {"Values": ["admin.shop.test"]}}


def rule(priority, *conditions, arn="arn:rule/theirs"):
    tags = {"split:role": "control"} if arn == OWN else {}
    return Rule(arn, priority, conditions, (), tags)


@pytest.fixture
def message(monkeypatch):
    """The message for rules of others on the listener."""

    async def create_header_rule(*_):
        return OWN

    async def wait_for_nonce(*_):
        return Miss(REQUEST, Response(404))

    monkeypatch.setattr(module, "create_header_rule", create_header_rule)
    monkeypatch.setattr(module, "wait_for_nonce", wait_for_nonce)
    monkeypatch.setattr(module, "own_requests", lambda *_: (REQUEST,))
    monkeypatch.setattr(module, "owner_of", lambda *_: Owner("shop", "users", adopt=False))
    config = SimpleNamespace(
        aws=None,
        name="shop",
        service=lambda name: name,
        listener=SimpleNamespace(rule_timeout=1.0),
    )
    discovered = SimpleNamespace(
        listener_arn="arn:listener",
        alb_url="http://shop.test",
        balancer_url="http://alb.test",
        route=lambda headers: SimpleNamespace(headers=headers),
    )

    async def read(*others):
        rules = [*others, rule(2, arn=OWN)]
        monkeypatch.setattr(module, "read_rules", lambda *_: rules)
        with pytest.raises(PreflightFailed) as caught:
            await verify_header_arrives(config, discovered, ["users"])
        return str(caught.value)

    return read


async def test_a_rule_that_takes_the_request_is_named_instead_of_a_lost_header(message):
    text = await message(rule(1, path_condition("/users/*")))
    assert "rule 1 (/users/*) comes before it and takes the request; delete or move" in text
    assert PREVIEW_HEADER not in text


async def test_a_rule_that_may_take_the_request_is_named_next_to_the_header(message):
    text = await message(rule(1, HOST))
    assert "if rule 1 (host-header admin.shop.test), which comes before it, takes" in text
    assert f"the request header {PREVIEW_HEADER} is lost" in text


@pytest.mark.parametrize("priority", [1, 3])
async def test_a_rule_for_other_paths_or_behind_is_not_to_blame(message, priority):
    pattern = "/cart/*" if priority == 1 else "/users/*"
    text = await message(rule(priority, path_condition(pattern)))
    assert "comes before it" not in text
    assert f"the request header {PREVIEW_HEADER} is lost" in text
