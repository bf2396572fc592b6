"""Which of a service's rules a rollback returns when it cannot return all of them."""

from types import SimpleNamespace

import pytest

from config.errors import TrafficConflict
from flows import rollback as module
from flows.plan.options import ROLLBACK_DEFAULTS
from tasks.elbv2.rule_matching import Rule, weighted_forward


def path_rule(arn):
    return Rule(arn, 10, (), tuple(weighted_forward({"monolith": 0, "users": 100})))


async def test_a_rule_that_cannot_return_does_not_keep_the_others_at_the_service(monkeypatch):
    returned = []

    async def return_rule(_aws, rule_arn, *_):
        if rule_arn == "edited":
            raise TrafficConflict("edited: somebody changed it")
        returned.append(rule_arn)

    monkeypatch.setattr(module, "return_rule", return_rule)
    monkeypatch.setattr(module, "emit", lambda *_, **__: None)
    monolith = SimpleNamespace(target_group_arn="monolith")
    work = module._Rollback(
        SimpleNamespace(aws=None), SimpleNamespace(monolith=monolith), ROLLBACK_DEFAULTS
    )
    owned = SimpleNamespace(
        service="users",
        path_rules=(path_rule("edited"), path_rule("second")),
        private_rules=(),
        target_group_arn="users",
    )
    with pytest.raises(TrafficConflict, match="edited: somebody changed it"):
        await work._return_paths(owned)
    assert returned == ["second"]
