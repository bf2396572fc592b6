"""The rules of private routes on a listener: the nonce, another rule in front, and forwarding."""

from pathlib import Path

import pytest

from config.errors import CheckFailed
from config.load import load_config
from flows.plan.owner import owner_of
from flows.service.proof import routes as module
from flows.service.proof.routes import PrivateRoute, verify_forwarded, verify_private_route
from tasks.aws.call import call
from tasks.discovery import discover
from tasks.elbv2.rule import ensure_rule, own_rules, read_rules
from tasks.elbv2.rule_matching import CONTROL
from tasks.http.client import PREVIEW_HEADER
from tasks.http.request import Request

ONE, TWO = Request("/api/users/1"), Request("/api/users/2")


async def ensure_outside_of_a_flow(*arguments):
    return await call(ensure_rule.plain, *arguments)


class Listener:
    """The forum's listener with a control route of users on it."""

    def __init__(self, sandbox):
        path = Path(sandbox.state["config"])
        config = load_config(path)
        listener = config.listener.model_copy(update={"rule_timeout": 1.0})
        self.config = config.model_copy(update={"listener": listener})
        self.discovered = discover.plain(self.config)
        self.elb = sandbox.boto("elbv2")
        self.monolith = self.discovered.monolith.target_group_arn
        users = self.config.service("users")
        self.private = PrivateRoute(
            aws=self.config.aws,
            listener_arn=self.discovered.listener_arn,
            owner=owner_of(self.config, users),
            role=CONTROL,
            patterns=users.path_patterns,
            group_arn=self.monolith,
            monolith_group_arn=self.monolith,
            route=self.discovered.route({PREVIEW_HEADER: "secret.control"}),
        )
        self._before = {rule.arn for rule in self.rules()}

    def rules(self):
        return read_rules(self.config.aws, self.discovered.listener_arn)

    def actions(self):
        """The type of what each of the route's rules does."""
        own = own_rules(self.rules(), self.private.owner, CONTROL)
        return [rule.actions[0]["Type"] for rule in own.values()]

    def put_in_front(self, pattern):
        self.elb.create_rule(
            ListenerArn=self.discovered.listener_arn,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": [pattern]}],
            Actions=[{"Type": "forward", "TargetGroupArn": self.monolith}],
        )

    async def verify(self, *requests):
        await self.private.answer_with_nonce()
        await verify_private_route(self.config, self.discovered, self.private, requests)

    def clean_up(self):
        for rule in self.rules():
            if rule.arn not in self._before:
                self.elb.delete_rule(RuleArn=rule.arn)


@pytest.fixture
def listener(sandbox, monkeypatch):
    monkeypatch.setattr(module, "ensure_rule", ensure_outside_of_a_flow)
    made = Listener(sandbox)
    yield made
    made.clean_up()


async def test_a_route_answers_with_its_nonce_and_then_forwards(listener):
    await listener.private.answer_with_nonce()
    assert listener.actions() == ["fixed-response"]
    await listener.verify(ONE, TWO)
    assert listener.actions() == ["forward"]
    await verify_forwarded(listener.config, listener.private, listener.private.route, [ONE])


async def test_a_rule_in_front_is_named_with_the_path_that_it_takes(listener):
    await listener.private.answer_with_nonce()
    listener.put_in_front("/api/users/2")
    with pytest.raises(CheckFailed) as failed:
        await listener.verify(ONE, TWO)
    text = str(failed.value)
    assert text.startswith("users: GET /api/users/2: status 200, which is not the response of its")
    assert "rule 1 (/api/users/2) comes before it and takes the request" in text
    assert listener.actions() == ["fixed-response"]


async def test_a_route_that_still_answers_with_its_nonce_does_not_forward(listener):
    await listener.private.answer_with_nonce()
    with pytest.raises(CheckFailed, match="does not forward 1 s after it was changed"):
        await verify_forwarded(listener.config, listener.private, listener.private.route, [ONE])
