"""What the keep-alive check records, and when it fails."""

from types import SimpleNamespace

import pytest

from config.errors import CheckFailed
from config.proof.keep_alive import KeepAlive
from config.service import ServiceConfig
from flows.service.proof import keep_alive as module
from flows.service.proof.keep_alive import KeepAliveCheck
from tasks.http.keep_alive import Observed

TARGET = "10.0.0.7:3000"


class Account:
    """A service with targets, behind a load balancer with an idle timeout of 60 seconds."""

    def __init__(self, monkeypatch):
        self.targets, self.observed = [("10.0.0.7", 3000)], Observed(TARGET, closed_after=5.0)
        self.events, self.asked = [], []
        for name in ("call", "observe_keep_alive", "emit"):
            monkeypatch.setattr(module, name, getattr(self, f"_{name}"))

    async def _call(self, function, *_):
        return self.targets if function is module.read_healthy_targets else 60

    async def _observe_keep_alive(self, *asked, enough):
        self.asked.append((*asked, enough))
        return self.observed

    def _emit(self, kind, service, text, *, verdict, numbers):
        self.events.append((kind, service, verdict, numbers))
        assert text.startswith("keep-alive: ")

    async def check(self, **settings):
        service = ServiceConfig(
            name="users", path_patterns=("/u*",), image="u:1", keep_alive=KeepAlive(**settings)
        )
        discovered = SimpleNamespace(load_balancer_arn="arn:balancer")
        check = KeepAliveCheck(
            SimpleNamespace(
                name="users",
                service=service,
                aws=None,
                target_group_arn="arn:group",
                discovered=discovered,
            )
        )
        check.start()
        await check.verify()


@pytest.fixture
def account(monkeypatch):
    return Account(monkeypatch)


async def test_a_short_keep_alive_fails_with_its_numbers(account):
    with pytest.raises(CheckFailed, match=r"^users: keep-alive: 10\.0\.0\.7:3000 closed") as caught:
        await account.check()
    assert caught.value.numbers["closed_after"] == 5.0
    assert caught.value.numbers["idle_timeout"] == 60


async def test_a_short_keep_alive_that_is_allowed_is_recorded(account):
    await account.check(allow_short=True)
    ((kind, service, verdict, numbers),) = account.events
    assert (kind, service, verdict, numbers["closed_after"]) == ("check", "users", "fail", 5.0)


async def test_a_target_that_cannot_be_reached_is_recorded_and_fails_nothing(account):
    account.observed = Observed(TARGET, unreachable="no connection within 2 s")
    await account.check()
    assert [event[2] for event in account.events] == ["inconclusive"]


async def test_a_service_whose_targets_are_gone_meanwhile_is_not_judged(account):
    account.targets = []
    await account.check()
    assert (account.asked, account.events) == ([], [])


async def test_the_health_checks_path_is_requested_and_the_config_sets_the_wait(account):
    account.observed = Observed(TARGET, announced=75)
    await account.check(wait=61)
    assert account.asked == [("10.0.0.7", 3000, "/", 61, 60)]
