"""What a redeploy checks before it changes anything."""

from types import SimpleNamespace

import pytest

from config.errors import PreflightFailed
from config.split import SplitConfig
from flows.plan.options import REDEPLOY_DEFAULTS
from flows.plan.redeploy import RedeployPlan
from flows.redeploy import _Redeploy


def config():
    users = {
        "name": "users",
        "path_patterns": ("/users*",),
        "image": "users:1",
        "request_headers": {"Authorization": {"env": "NO_SUCH_TOKEN"}},
        "checks": ({"path": "/users/1"},),
    }
    return SplitConfig(
        name="forum",
        aws={"region": "eu-central-1"},
        cluster="c",
        monolith={"service": "m"},
        services=[users],
    )


async def test_a_token_that_is_not_set_is_found_before_the_rollout(monkeypatch):
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    changed = SimpleNamespace(service="users", conflicts=[], needs_build=False)
    work = _Redeploy(config(), None, REDEPLOY_DEFAULTS)
    with pytest.raises(PreflightFailed, match="NO_SUCH_TOKEN is not set"):
        await work.check(RedeployPlan(changed=(changed,)))
