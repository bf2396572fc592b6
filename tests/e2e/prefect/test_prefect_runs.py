"""
Runs of deployments on a real Prefect server and worker: cancelled, suspended, refused, scheduled.
"""

import shutil
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.aws_state import desired_counts, private_rules, weights
from tests.e2e.runs import ROOT, edited_config, only, quick, wait_until
from tests.e2e.served import serving
from tests.iam import allowed_actions, iam_action

pytestmark = pytest.mark.timeout(600)

BACK_ON_THE_MONOLITH = {"forum-monolith-tg": 100, "posts-tg": 0}


@pytest.fixture(scope="module")
def served():
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(start_module_sandbox):
    return start_module_sandbox()


def bakes_a_minute(config):
    config["traffic"]["shift"] = {
        "strategy": "steps",
        "list": [{"weight": 50, "bake": 60}, {"weight": 100, "bake": 0}],
    }


def asks_before_the_first_user(config):
    config["traffic"]["approve_first_step"] = True


def asks_before_the_drain(config):
    config["monolith"]["drain"] = "approve"


def weight(sandbox, service):
    return weights(sandbox).get(service, {}).get(f"{service}-tg")


def test_a_run_that_is_cancelled_in_a_shift_leaves_everything_on_the_monolith(
    served, sandbox, tmp_path
):
    config = edited_config(sandbox, tmp_path, quick, only("posts"), bakes_a_minute)
    run = served.run("split", config={"path": str(config)})
    wait_until(lambda: weight(sandbox, "posts") == 50, timeout=120)
    served.ask(
        f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    )
    # Prefect kills after 30 s; by then traffic has to be back.
    assert served.wait_for_state(run, "Cancelled", timeout=30) == "Cancelled"
    assert (weights(sandbox)["posts"], private_rules(sandbox)) == (BACK_ON_THE_MONOLITH, [])


def test_a_suspended_run_goes_on_after_a_restart_of_worker_and_server(served, sandbox, tmp_path):
    config = edited_config(sandbox, tmp_path, quick, only("posts"), asks_before_the_first_user)
    run = served.run("split", config={"path": str(config)}, options={"drain": False})
    assert served.wait_for_state(run, "Suspended") == "Suspended"
    assert (weights(sandbox)["posts"], private_rules(sandbox)) == (BACK_ON_THE_MONOLITH, [])
    assert served.end() == (0, [])
    served.start()
    served.answer(run, "approve")
    assert served.wait_for_state(run) == "Completed"
    assert weight(sandbox, "posts") == 100


def test_a_refused_drain_leaves_the_monolith_as_it_is(served, sandbox, tmp_path):
    config = edited_config(sandbox, tmp_path, quick, only("posts"), asks_before_the_drain)
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
        sandbox, tmp_path, quick, only("posts"), asks_before_the_drain, in_a_second
    )
    before = desired_counts(sandbox)
    run = served.run("split", config={"path": str(config)})
    assert served.wait_for_state(run) == "Failed"
    assert desired_counts(sandbox) == before


def copied_apps(sandbox, directory):
    """A config whose services are built from copies of the forum's apps."""
    shutil.copytree(ROOT / "examples/forum", directory / "forum")

    def edit(config):
        for service in config["services"]:
            service["build"]["context"] = str(
                directory / "forum" / Path(service["build"]["context"]).name
            )
        config["monolith"]["drain"] = "never"

    return edited_config(sandbox, directory, quick, edit)


def running_definitions(sandbox, config):
    names = [service["name"] for service in yaml.safe_load(config.read_text())["services"]]
    found = sandbox.boto("ecs").describe_services(cluster="forum", services=names)["services"]
    return {service["serviceName"]: service["taskDefinition"] for service in found}


@pytest.fixture(scope="module")
def split_forum(served, start_module_sandbox, module_directory):
    """A sandbox whose three services have been carved out, and the config."""
    sandbox = start_module_sandbox()
    config = copied_apps(sandbox, module_directory)
    assert served.wait_for_state(served.run("split", config={"path": str(config)})) == "Completed"
    return sandbox, config


def test_a_schedule_rolls_out_the_one_service_that_changed(served, split_forum):
    sandbox, config = split_forum
    before = running_definitions(sandbox, config)
    with (config.parent / "forum/threads/Dockerfile").open("a") as file:
        file.write(f"\nENV BUILT={time.time_ns()}\n")
    deployment = served.deployment("redeploy")["id"]
    schedule = {
        "schedule": {"cron": "* * * * *"},
        "active": True,
        "parameters": {"config": {"path": str(config)}},
    }
    served.ask(f"/deployments/{deployment}/schedules", [schedule])
    wanted = {
        "deployments": {"id": {"any_": [deployment]}},
        "flow_runs": {"state": {"name": {"any_": ["Completed"]}}},
    }
    [run, *_] = wait_until(lambda: served.runs(**wanted), timeout=240)
    after = running_definitions(sandbox, config)
    assert run["auto_scheduled"]
    assert {name for name in after if after[name] != before[name]} == {"threads"}


def test_the_iam_policy_allows_every_call_of_a_split(split_forum):
    sandbox, _ = split_forum
    called = {iam_action(call["service"], call["action"]) for call in sandbox.record()}
    assert "ecs:CreateService" in called
    assert called - allowed_actions() == set()
