"""
Runs of deployments on a real Prefect server and worker: cancelled, suspended, refused, scheduled,
and started and approved in its UI.
"""

import shutil
from pathlib import Path

import pytest
from playwright.async_api import expect

from config.load import load_config
from tests.e2e.aws_state import desired_counts, private_rules, weight, weights
from tests.e2e.configs import at_half_weight, edited_config, only, quick
from tests.e2e.prefect.ui import (
    SECONDS,
    answer_question,
    fill_form,
    open_page,
    open_report,
    photograph,
)
from tests.e2e.runs import ROOT, wait_until
from tests.e2e.served import serving
from tests.placed import place

pytestmark = pytest.mark.timeout(600)

SCHEDULE_SECONDS = 20
BACK_ON_THE_MONOLITH = {"forum-monolith-tg": 100, "posts-tg": 0}


@pytest.fixture(scope="module")
def served():
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(start_module_sandbox):
    return start_module_sandbox()


def needs_approval_of_the_first_step(config):
    config["traffic"]["approve_first_step"] = True


def needs_approval_of_the_drain(config):
    config["monolith"]["drain"] = "approve"


def test_a_run_that_is_cancelled_in_a_shift_leaves_everything_on_the_monolith(
    served, sandbox, tmp_path
):
    config = edited_config(sandbox, tmp_path, quick, only("posts"), at_half_weight(60))
    run = served.run("split", config={"path": str(config)})
    wait_until(lambda: weight(sandbox, "posts") == 50, timeout=120)
    served.ask(
        f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    )
    # Prefect kills a run that has not ended 30 s later, and its rules and traffic would stay.
    assert served.wait_for_state(run, "Cancelled") == "Cancelled"
    assert (weights(sandbox)["posts"], private_rules(sandbox)) == (BACK_ON_THE_MONOLITH, [])


def test_a_suspended_run_goes_on_after_a_restart_of_worker_and_server(served, sandbox, tmp_path):
    config = edited_config(
        sandbox, tmp_path, quick, only("posts"), needs_approval_of_the_first_step
    )
    run = served.run("split", config={"path": str(config)}, options={"drain": False})
    assert served.wait_for_state(run, "Suspended") == "Suspended"
    assert (weights(sandbox)["posts"], private_rules(sandbox)) == (BACK_ON_THE_MONOLITH, [])
    assert served.end() == (0, [])
    served.start()
    served.answer(run, "approve")
    assert served.wait_for_state(run) == "Completed"
    assert weight(sandbox, "posts") == 100


def test_a_refused_drain_leaves_the_monolith_as_it_is(served, sandbox, tmp_path):
    config = edited_config(sandbox, tmp_path, quick, only("posts"), needs_approval_of_the_drain)
    before = desired_counts(sandbox)
    run = served.run("split", config={"path": str(config)})
    assert served.wait_for_state(run, "Suspended") == "Suspended"
    served.answer(run, "refuse")
    assert served.wait_for_state(run) == "Failed"
    assert desired_counts(sandbox) == before


def test_an_unanswered_question_leaves_the_monolith_as_it_is(served, sandbox, tmp_path):
    def in_a_second(config):
        config["monolith"]["approval_timeout"] = 1

    config = edited_config(
        sandbox, tmp_path, quick, only("posts"), needs_approval_of_the_drain, in_a_second
    )
    before = desired_counts(sandbox)
    run = served.run("split", config={"path": str(config)})
    assert served.wait_for_state(run) == "Failed"
    assert desired_counts(sandbox) == before


@pytest.mark.browser
async def test_a_person_splits_approves_and_reads_the_report_in_the_ui(served, sandbox, tmp_path):
    config = edited_config(
        sandbox, tmp_path, quick, only("users"), needs_approval_of_the_first_step
    )
    async with open_page() as page:
        await fill_form(page, served, config)
        run = served.runs(limit=1)[0]["id"]
        await page.goto(f"{served.url}/v2/runs/flow-run/{run}")
        await expect(page.get_by_text("Suspended").first).to_be_visible(timeout=120 * SECONDS)
        await photograph(page, "2-suspended")
        await answer_question(page)
        completed = page.get_by_text("Completed", exact=True).first
        await expect(completed).to_be_visible(timeout=180 * SECONDS)
        await photograph(page, "4-completed")
        await open_report(page)
    assert weight(sandbox, "users") == 100
    assert desired_counts(sandbox)["monolith"] > 0


class Forum:
    """The forum with its services split off, and built from copies of the example's apps."""

    def __init__(self, sandbox, directory):
        self._sandbox = sandbox
        self.apps = directory / "forum"
        shutil.copytree(ROOT / "examples/forum", self.apps)
        self.path = edited_config(sandbox, directory, quick, self._use_copies)
        self._names = [service.name for service in load_config(self.path).services]
        for name in self._names:
            place(load_config(self.path), name, 100)

    def _use_copies(self, config):
        config["monolith"]["drain"] = "never"
        for service in config["services"]:
            app = Path(service["build"]["context"]).name
            service["build"]["context"] = str(self.apps / app)

    def task_definitions(self):
        """The task definition that each service runs."""
        ecs = self._sandbox.boto("ecs")
        services = ecs.describe_services(cluster="forum", services=self._names)["services"]
        return {service["serviceName"]: service["taskDefinition"] for service in services}


@pytest.fixture(scope="module")
def forum(start_module_sandbox, module_directory):
    return Forum(start_module_sandbox(), module_directory)


def test_a_schedule_rolls_out_the_one_service_that_changed(served, forum):
    before = forum.task_definitions()
    with (forum.apps / "threads/Dockerfile").open("a") as file:
        file.write("\nENV CHANGED=1\n")
    deployment = served.deployment("redeploy")["id"]
    schedule = {
        "schedule": {"interval": SCHEDULE_SECONDS},
        "active": True,
        "parameters": {"config": {"path": str(forum.path)}},
    }
    (made,) = served.ask(f"/deployments/{deployment}/schedules", [schedule])
    run = served.wait_for_run(
        deployments={"id": {"any_": [deployment]}},
        flow_runs={"state": {"name": {"any_": ["Completed"]}}},
    )
    served.ask(f"/deployments/{deployment}/schedules/{made['id']}", method="DELETE")
    after = forum.task_definitions()
    assert run["auto_scheduled"]
    assert {name for name in after if after[name] != before[name]} == {"threads"}
