"""What happens where the ECS service of a microservice was deleted a moment ago."""

from types import SimpleNamespace

import pytest

from config.errors import ServiceUnhealthy
from flows.service import running as module
from flows.service.running import ensure_running
from tasks.ecs import wait
from tasks.ecs.wait import wait_while_draining

SERVICE = SimpleNamespace(name="cart", deregistration_delay=30)
DESIRED = SimpleNamespace(name="cart", request={"cluster": "shop"})
CONFIG = SimpleNamespace(aws=None)


class Steps:
    """The steps that `ensure_running` takes, recorded in place of being carried out."""

    def __init__(self, monkeypatch, status):
        self.taken = []
        self._status = status
        monkeypatch.setattr(module, "call", self._read)
        monkeypatch.setattr(module, "wait_while_draining", self._wait)
        monkeypatch.setattr(module, "ensure_service", self._ensure)
        monkeypatch.setattr(module, "emit", lambda _kind, _name, text: self.taken.append(text))

    async def _read(self, *_):
        return {"status": self._status} if self._status else None

    async def _wait(self, _aws, _cluster, name, patience):
        self.taken.append(f"wait {patience:g} s for {name}")

    async def _ensure(self, *_):
        self.taken.append("ensure")


async def test_a_deleted_service_that_still_drains_is_waited_for(monkeypatch):
    steps = Steps(monkeypatch, "DRAINING")
    await ensure_running(CONFIG, SERVICE, DESIRED)
    note, *others = steps.taken
    assert "was deleted and still drains" in note
    assert others == ["wait 630 s for cart", "ensure"]


@pytest.mark.parametrize("status", [None, "ACTIVE"])
async def test_any_other_service_is_created_or_updated_at_once(monkeypatch, status):
    steps = Steps(monkeypatch, status)
    await ensure_running(CONFIG, SERVICE, DESIRED)
    assert steps.taken == ["ensure"]


@pytest.mark.parametrize("then", [None, {"status": "ACTIVE"}], ids=["gone", "created again"])
async def test_the_wait_ends_when_the_service_has_drained(monkeypatch, then):
    described = [{"status": "DRAINING", "serviceName": "cart", "runningCount": 1}, then]

    async def read(*_):
        return described.pop(0)

    monkeypatch.setattr(wait, "read_service_together", read)
    await wait_while_draining.fn(None, "shop", "cart", 30)
    assert described == []


async def test_a_service_that_does_not_end_is_named(monkeypatch):
    async def read(*_):
        return {"status": "DRAINING", "serviceName": "cart", "runningCount": 1}

    monkeypatch.setattr(wait, "read_service_together", read)
    with pytest.raises(ServiceUnhealthy, match="ECS service cart is DRAINING with 1 tasks"):
        await wait_while_draining.fn(None, "shop", "cart", 0)
