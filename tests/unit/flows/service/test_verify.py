"""What is verified before any user reaches a service, and what is recorded about it."""

from types import SimpleNamespace

import pytest

from config.errors import CheckFailed, ServiceUnhealthy
from config.service import Check, Parity, ServiceConfig
from flows.service.proof import verify as module
from flows.service.proof.verify import verify_candidate, verify_public_route
from tasks.elbv2.target_group import TargetHealth
from tasks.http.comparison.difference import Difference
from tasks.http.comparison.parity import Comparison, ParityResult

FAILED = CheckFailed("users: checks failed", {"checks": 2, "passed": 1, "failed": 1})
DIFFERENCE = Difference("/u/2", "status", "200", "404")
NOTHING = {"differences": [], "inconclusive": [], "noise": []}


def placement(*, checks=2, paths=("/u/1", "/u/2")):
    service = ServiceConfig(
        name="users",
        path_patterns=("/u*",),
        image="users:1",
        checks=tuple(Check(path=f"/u/{number}") for number in range(checks)),
        parity=Parity(paths=paths),
    )
    return SimpleNamespace(
        name="users",
        service=service,
        aws=None,
        config=SimpleNamespace(stable_timeout=1),
        discovered=SimpleNamespace(cluster_arn="arn:cluster"),
        target_group_arn="arn:group",
        preview="preview",
        control="control",
        user="user",
        private_routes=("preview rules", "control rules"),
        requests=("/u/1", "/u/2"),
    )


class Steps:
    """The steps of a verification, each with a result or an error of the test's choice."""

    def __init__(self, monkeypatch):
        self.events, self.rolled_back, self.routes = [], [], []
        self.unhealthy = self.failed = self.short_keep_alive = None
        self.unreached = self.unserved = None
        self.watching = False
        self.order = []
        self.differences = {}
        replaced = (
            *("wait_until_healthy", "run_checks", "compare_with_monolith", "emit"),
            *("verify_private_route", "verify_forwarded"),
        )
        for name in replaced:
            monkeypatch.setattr(module, name, getattr(self, f"_{name}"))
        monkeypatch.setattr(module, "roll_back_to_monolith", self._roll_back)
        monkeypatch.setattr(module, "KeepAliveCheck", self._keep_alive_check)
        monkeypatch.setattr(module, "ServedBy", self._served_by)

    def _served_by(self, placement):
        async def verify():
            self.order.append("served by")
            if self.unserved:
                raise self.unserved

        return SimpleNamespace(preview=placement.preview, control=placement.control, verify=verify)

    async def _verify_private_route(self, _config, _discovered, private, _requests):
        self.order.append(f"nonce of {private}")
        if self.unreached and private == "control rules":
            raise self.unreached

    async def _verify_forwarded(self, _config, private, _route, _requests):
        self.order.append(f"forward of {private}")

    async def _wait_until_healthy(self, *_):
        if self.unhealthy:
            raise self.unhealthy
        return TargetHealth(healthy=1, states={}, reasons=())

    def _keep_alive_check(self, _placement):
        return SimpleNamespace(start=self._start, verify=self._verify, cancel=self._cancel)

    def _start(self):
        self.watching = True

    async def _verify(self):
        if self.short_keep_alive:
            raise self.short_keep_alive

    def _cancel(self):
        self.watching = False

    async def _run_checks(self, _aws, _name, _where, route, checks):
        self.order.append("checks")
        self.routes.append(route)
        if self.failed:
            raise self.failed
        return len(checks)

    async def _compare_with_monolith(self, _service, _monolith, _candidate, requests):
        found = [Comparison(request, self.differences.get(request.path)) for request in requests]
        return ParityResult(tuple(found))

    def _emit(self, kind, _service, text, *, verdict=None, numbers=None):
        if kind == "check":
            self.events.append((verdict, text, numbers))

    async def _roll_back(self, _placement, why):
        self.rolled_back.append(why)


@pytest.fixture
def steps(monkeypatch):
    return Steps(monkeypatch)


async def test_checks_and_parity_are_recorded_with_their_numbers(steps):
    await verify_candidate(placement(), "users:1", weight=0)
    assert steps.events == [
        (
            "pass",
            "checks: 2/2 passed on the preview route",
            {"checks": 2, "passed": 2, "failed": 0},
        ),
        (
            "pass",
            "parity: 2/2 responses match",
            NOTHING | {"compared": 2, "matched": 2},
        ),
    ]


async def test_a_service_without_checks_and_parity_says_so(steps):
    await verify_candidate(placement(checks=0, paths=()), "users:1", weight=0)
    assert [(verdict, text) for verdict, text, _ in steps.events] == [
        ("inconclusive", "checks: none configured"),
        ("inconclusive", "parity: no paths configured"),
    ]


async def test_allowed_differences_are_recorded(steps):
    steps.differences = {"/u/2": DIFFERENCE}
    await verify_candidate(placement(), "users:1", weight=0)
    assert steps.events[-1] == (
        "pass",
        "parity: 1/2 responses match",
        NOTHING | {"compared": 2, "matched": 1, "differences": [str(DIFFERENCE)]},
    )


async def test_a_failed_check_is_recorded_with_its_numbers(steps):
    steps.failed = FAILED
    with pytest.raises(CheckFailed):
        await verify_candidate(placement(), "users:1", weight=0)
    assert steps.events == [("fail", str(FAILED), FAILED.numbers)]
    assert steps.rolled_back == []


@pytest.mark.parametrize(
    ("failed", "unhealthy", "why"),
    [(FAILED, None, "checks failed"), (None, ServiceUnhealthy("tasks stop"), "not healthy")],
)
async def test_traffic_of_an_interrupted_run_is_rolled_back(steps, failed, unhealthy, why):
    steps.failed, steps.unhealthy = failed, unhealthy
    with pytest.raises(type(failed or unhealthy)):
        await verify_candidate(placement(), "users:1", weight=50)
    assert steps.rolled_back == [why]


async def test_a_fault_does_not_leave_traffic_that_no_gate_watches(steps):
    steps.failed = ZeroDivisionError("division by zero")
    with pytest.raises(ZeroDivisionError):
        await verify_candidate(placement(), "users:1", weight=50)
    assert steps.rolled_back == ["ZeroDivisionError: division by zero"]


async def test_a_keep_alive_that_is_too_short_is_a_failed_check(steps):
    steps.short_keep_alive = CheckFailed("users: keep-alive: too short", {"idle_timeout": 60})
    with pytest.raises(CheckFailed):
        await verify_candidate(placement(), "users:1", weight=10)
    assert steps.events[-1] == ("fail", "users: keep-alive: too short", {"idle_timeout": 60})
    assert steps.rolled_back == ["checks failed"]


async def test_a_connection_is_not_watched_any_longer_when_a_check_fails(steps):
    steps.failed = FAILED
    with pytest.raises(CheckFailed):
        await verify_candidate(placement(), "users:1", weight=0)
    assert not steps.watching


async def test_checks_run_on_the_preview_route_first_and_on_the_public_one_last(steps):
    await verify_candidate(placement(), "users:1", weight=0)
    await verify_public_route(placement())
    assert steps.routes == ["preview", "user"]


async def test_a_check_that_fails_on_the_public_route_rolls_traffic_back(steps):
    steps.failed = FAILED
    with pytest.raises(CheckFailed):
        await verify_public_route(placement())
    assert steps.rolled_back == ["checks failed on the public route"]


async def test_nothing_is_checked_before_both_routes_are_proven(steps):
    await verify_candidate(placement(), "users:1", weight=0)
    assert steps.order == [
        "nonce of preview rules",
        "nonce of control rules",
        "forward of preview rules",
        "forward of control rules",
        "checks",
        "served by",
    ]


async def test_a_route_that_is_not_reached_fails_the_service_before_any_check(steps):
    steps.unreached = CheckFailed("users: requests do not reach its control rule")
    with pytest.raises(CheckFailed):
        await verify_candidate(placement(), "users:1", weight=0)
    assert "checks" not in steps.order
    assert [verdict for verdict, _, _ in steps.events] == ["fail"]


async def test_a_service_that_was_never_asked_is_not_fit_for_traffic(steps):
    steps.unserved = CheckFailed("users: 5 requests were sent, and users-tg counted 0")
    with pytest.raises(CheckFailed):
        await verify_candidate(placement(), "users:1", weight=0)
    assert steps.events[-1] == ("fail", str(steps.unserved), {})
