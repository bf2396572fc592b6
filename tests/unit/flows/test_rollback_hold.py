"""What becomes of the monolith's suspended scale-in when a rollback fails."""

from types import SimpleNamespace

import pytest

from config.errors import ServiceUnhealthy
from flows import rollback as module
from flows.monolith import hold
from flows.plan.options import ROLLBACK_DEFAULTS

PLAN = SimpleNamespace(restores=True, returns_traffic=True, was_drained=False)
KEPT = "scale-in of web stays suspended: it could not be restored"


class Rollback(module._Rollback):
    """A rollback whose steps fail as the test wants."""

    failed = None

    async def _roll_back(self, _plan):
        raise self.failed


@pytest.fixture
def ended(monkeypatch):
    """How the hold was ended, each time."""
    ends = []

    async def end_hold(_site, **how):
        ends.append(how)
        return KEPT

    monkeypatch.setattr(module, "end_hold", end_hold)
    monkeypatch.setattr(hold, "end_hold", end_hold)
    return ends


@pytest.fixture
def restoring(monkeypatch):
    """Lets the restoration of the monolith raise an error, or nothing."""

    def set_error(error):
        async def restore_monolith(*_):
            if error:
                raise error

        monkeypatch.setattr(module, "restore_monolith", restore_monolith)

    return set_error


@pytest.fixture
def work():
    config = SimpleNamespace(monolith=SimpleNamespace(service="web"))
    return Rollback(config, SimpleNamespace(), ROLLBACK_DEFAULTS)


async def test_the_message_has_what_stays_suspended(work, ended, restoring):
    restoring(ServiceUnhealthy("web: tasks stop"))
    done = await work.carry_out(PLAN)
    assert ended == [{"unrestored": True}]
    assert done.error.splitlines() == [
        "web could not be restored: the services still serve",
        "web: tasks stop",
        KEPT,
    ]


async def test_a_call_that_fails_does_not_hide_what_stays_suspended(work, ended, restoring):
    restoring(OSError("no route"))
    with pytest.raises(OSError, match="no route"):
        await work.carry_out(PLAN)
    assert ended == [{"unrestored": True}]


async def test_metrics_that_cannot_be_read_do_not_leave_scale_in_suspended(
    work, ended, restoring, monkeypatch
):
    restoring(None)
    monkeypatch.setattr(Rollback, "failed", OSError("CloudWatch does not answer"))
    with pytest.raises(OSError, match="CloudWatch"):
        await work.carry_out(PLAN)
    assert ended == [{"cancelled": False}]
