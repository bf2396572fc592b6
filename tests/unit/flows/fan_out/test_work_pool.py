"""What a split does about a run on the work pool whose worker is gone."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
import yaml
from prefect.client.schemas.objects import State, StateType
from prefect.states import Cancelled, Completed, Crashed, Failed

from config.errors import PreflightFailed, StepFailed
from flows.fan_out import work_pool as module
from flows.fan_out.work_pool import check_work_pool, settle_on_pool

ROOT = Path(__file__).parents[4]
GONE = Crashed(message="No heartbeat from its worker for 90 s.")


class Pool:
    """A Prefect server with one run, and the traffic that the split returns after it."""

    api_url = "http://prefect/api"

    def __init__(self, monkeypatch):
        self.states, self.parameters, self.returned = [], {}, []
        self.automations = [SimpleNamespace(enabled=True)]
        self.config = SimpleNamespace(
            fan_out="work_pool",
            name="shop",
            service=lambda name: SimpleNamespace(name=name),
            model_dump=lambda **_: {},
        )
        self.discovered = SimpleNamespace(listener_arn="arn:listener")
        monkeypatch.setattr(module, "get_client", self._client)
        monkeypatch.setattr(module, "arun_deployment", self._start)
        monkeypatch.setattr(module, "_end_earlier_runs", self._nothing)
        monkeypatch.setattr(module, "_read_events", self._nothing)
        monkeypatch.setattr(module, "current_journal", lambda: SimpleNamespace(adopt=list))
        monkeypatch.setattr(module, "current_lock", lambda listener: f"lock of {listener}")
        monkeypatch.setattr(module, "return_unwatched", self._return_unwatched)
        monkeypatch.setattr(module, "returned_after_failure", self._returned_after_failure)
        monkeypatch.setattr(module, "_POLL", 0.01)
        monkeypatch.setattr(module, "_END_PATIENCE", 0.05)

    @asynccontextmanager
    async def _client(self):
        yield self

    async def _start(self, _deployment, *, parameters, **_):
        self.parameters = parameters
        return SimpleNamespace(id=uuid4())

    async def _nothing(self, *_):
        return []

    async def _return_unwatched(self, _config, _discovered, owner, why, *, observe):
        self.returned.append((owner.service, why, observe))

    @asynccontextmanager
    async def _returned_after_failure(self, _config, _discovered, owner):
        try:
            yield
        except StepFailed as error:
            self.returned.append((owner.service, str(error), True))
            raise

    async def read_flow_run(self, run_id):
        return SimpleNamespace(id=run_id, name="settle cart", state=self.states[-1])

    async def set_flow_run_state(self, _run_id, state, **_):
        self.states.append(state)

    async def read_deployment_by_name(self, _name):
        return None

    async def read_automations_by_name(self, _name):
        return self.automations

    async def settle(self):
        return await settle_on_pool(
            self.config, self.discovered, "cart", [], approved=True, image="cart:2"
        )


@pytest.fixture
def pool(monkeypatch):
    return Pool(monkeypatch)


@pytest.mark.parametrize("state", [GONE, Cancelled()], ids=["crashed", "cancelled"])
async def test_a_worker_that_died_does_not_leave_users_without_a_gate(pool, state):
    pool.states = [state]
    with pytest.raises(StepFailed, match=r"cart: its run settle cart on the work pool ended C"):
        await pool.settle()
    assert [service for service, _, _ in pool.returned] == ["cart"]


async def test_a_worker_that_died_before_its_run_began_does_not_keep_the_split(pool, monkeypatch):
    monkeypatch.setattr(module, "_START_PATIENCE", 0.05)
    pool.states = [State(type=StateType.PENDING)]
    async with asyncio.timeout(10):
        with pytest.raises(StepFailed, match="its worker is gone"):
            await pool.settle()


async def test_a_run_that_failed_has_stated_where_its_traffic_is(pool):
    pool.states = [Failed(message="traffic stays as it is")]
    with pytest.raises(StepFailed, match="traffic stays as it is"):
        await pool.settle()
    assert pool.returned == []


async def test_a_run_that_completed_keeps_its_traffic(pool):
    pool.states = [Completed()]
    await pool.settle()
    assert pool.returned == []


async def test_a_cancelled_split_returns_the_traffic_of_a_run_whose_worker_is_gone(pool):
    pool.states = [State(type=StateType.RUNNING)]
    settling = asyncio.create_task(pool.settle())
    await asyncio.sleep(0.05)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert pool.returned == [("cart", "run cancelled", False)]


async def test_a_run_gets_the_lock_of_its_split(pool):
    pool.states = [Completed()]
    await pool.settle()
    assert pool.parameters["lock"] == "lock of arn:listener"


@pytest.mark.parametrize("automations", [[], [SimpleNamespace(enabled=False)]])
async def test_a_split_does_not_begin_where_it_would_wait_for_a_dead_worker(pool, automations):
    pool.automations = automations
    with pytest.raises(PreflightFailed, match="register it with `make deploy` and switch it on"):
        await check_work_pool(pool.config)


async def test_a_split_begins_where_everything_is_registered(pool):
    await check_work_pool(pool.config)


def test_the_automation_is_one_of_those_that_are_registered():
    text = (ROOT / "deployments" / "automations.yaml").read_text()
    names = [automation["name"] for automation in yaml.safe_load(text)["automations"]]
    assert module._CRASH_AUTOMATION in names
