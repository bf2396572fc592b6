"""What has to be proven after a rollout, before it counts."""

from types import SimpleNamespace

import httpx
import pytest

from config.errors import CheckFailed
from config.split import SplitConfig
from flows.service import rolling_update as module
from flows.service.proof import served_by
from flows.service.rolling_update import roll_out
from tasks.elbv2.target_group import TargetHealth
from tasks.http.client import Response, Route
from tasks.http.request import Request

CONFIG = SplitConfig(
    name="shop",
    aws={"region": "eu-central-1"},
    cluster="c",
    listener={"backend_header": "X-Backend"},
    monolith={"service": "shop-web", "checks": ({"path": "/health"},)},
    services=[
        {
            "name": "cart",
            "path_patterns": ("/cart*",),
            "image": "cart:2",
            "checks": ({"path": "/cart/1"},),
        }
    ],
    traffic={"gates": {"metrics_period": 1, "metrics_lag": 0}},
)
ALB = "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/shop/1"
DISCOVERED = SimpleNamespace(
    vpc_id="vpc-1",
    cluster_arn="arn:cluster",
    load_balancer_arn=ALB,
    alb_url="http://alb",
    balancer_url="http://alb",
    route=lambda: Route("http://alb"),
)


class Rollout:
    """A rollout of cart from revision 1 to 2 behind a load balancer of the test's choice."""

    def __init__(self, monkeypatch):
        self.ran, self.events, self.counted = [], [], 0
        self.names = {"/health": "shop-web", "/cart/1": "cart"}
        for name in ("call", "emit", "run_checks", "ensure_target_group", "desired_service"):
            monkeypatch.setattr(module, name, getattr(self, f"_{name}"))
        monkeypatch.setattr(module, "ensure_running", self._ensure_running)
        monkeypatch.setattr(module, "wait_until_healthy", self._wait_until_healthy)
        monkeypatch.setattr(module, "emit_checks_passed", self._emit)
        monkeypatch.setattr(module, "emit_failed_check", self._emit)
        monkeypatch.setattr(served_by, "call", self._count)
        monkeypatch.setattr(served_by, "emit", self._emit)
        monkeypatch.setattr(served_by, "fetch", self._fetch)
        monkeypatch.setattr(served_by, "_UNTIL_COUNTED", 0.0)

    async def start(self, config=CONFIG):
        prepared = SimpleNamespace(task_definition="cart:2", outcome=lambda *_, **__: "settled")
        return await roll_out(config, DISCOVERED, config.service("cart"), self, prepared)

    async def _call(self, *_):
        return {"deployments": [{"taskDefinition": "cart:1"}]}

    async def _count(self, *_):
        return self.counted

    def _emit(self, *event, **_):
        self.events.append(event)

    async def _ensure_target_group(self, *_):
        return "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/cart-tg/1"

    def _desired_service(self, *_, task_definition, **__):
        return task_definition

    async def _ensure_running(self, _config, _service, desired):
        self.ran.append(desired)

    async def _wait_until_healthy(self, *_):
        return TargetHealth(healthy=1, states={}, reasons=())

    async def _run_checks(self, _aws, _name, _where, route, checks):
        for check in checks:
            await self._fetch(None, route, Request(check.path))

    async def _fetch(self, _session, route, request):
        response = Response(200, httpx.Headers({"X-Backend": self.names[request.path]}))
        route.record(request, response)
        return response


@pytest.fixture
def rollout(monkeypatch):
    monkeypatch.setattr(module, "desired_target_group", lambda *_: None)
    return Rollout(monkeypatch)


async def test_a_rollout_whose_checks_the_service_answered_is_settled(rollout):
    assert await rollout.start() == "settled"
    assert rollout.ran == ["cart:2"]


async def test_a_rollout_whose_checks_the_monolith_answered_goes_back(rollout):
    rollout.names["/cart/1"] = "shop-web"
    rollout.counted = 0
    with pytest.raises(CheckFailed, match="cart-tg counted 0"):
        await rollout.start()
    assert rollout.ran == ["cart:2", "cart:1"]


async def test_a_rollout_whose_checks_somebody_else_answered_goes_back(rollout):
    config = CONFIG.model_copy(
        update={"listener": CONFIG.listener.model_copy(update={"backend_header": None})}
    )
    with pytest.raises(CheckFailed, match="1 requests were sent on the public route"):
        await rollout.start(config)
    assert rollout.ran == ["cart:2", "cart:1"]
