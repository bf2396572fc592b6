"""`python -m flows.status` on a split that is half done."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from config.load import load_config
from tasks.discovery import discover
from tasks.elbv2.lock import take_lock
from tests.placed import place

ROOT = Path(__file__).parents[3]
CONTRACT = {"status", "engine", "services", "monolith", "traffic", "alb_url", "error", "events"}
RUN = "split forum 0193"


def look(*arguments):
    """Exit code, and what it prints on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.status", *map(str, arguments)],
        cwd=ROOT,
        # It is not to find another AWS than its config names.
        env={**os.environ, "AWS_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


class Half:
    """
    A split that was stopped half way: posts has everything, users 30 %, and threads is not begun.

    The config asks for another environment of posts than it has, and a run holds the listener.
    """

    def __init__(self, sandbox, directory):
        path = directory / "split.yaml"
        data = yaml.safe_load(Path(sandbox.state["config"]).read_text())
        config = load_config(Path(sandbox.state["config"]))
        place(config, "users", 30)
        place(config, "posts", 100)
        data["services"][1]["environment"] = {"FORUM_DELAY_MS": "1"}
        path.write_text(yaml.safe_dump(data))
        take_lock.plain(config.aws, discover.plain(config).listener_arn, RUN)
        before = len(sandbox.record())
        self.code, out = look(path, "--json")
        self.calls = sandbox.record()[before:]
        self.found, self.services = json.loads(out), json.loads(out)["services"]
        _, self.screen = look(path)

    def owners(self, path):
        """[{who: percent}] of a path."""
        return [
            answer["shares"]
            for item in self.found["paths"]
            if item["path"] == path
            for answer in item["answers"]
        ]


@pytest.fixture(scope="module")
def half(start_module_sandbox, tmp_path_factory):
    return Half(start_module_sandbox(), tmp_path_factory.mktemp("half"))


def test_a_look_exits_0(half):
    assert (half.code, half.found["status"], half.found["error"]) == (0, "completed", None)


def test_the_object_has_the_keys_of_every_command(half):
    assert set(half.found) >= CONTRACT


def test_a_look_makes_no_mutating_call(half):
    assert ([call["action"] for call in half.calls if call["mutating"]], len(half.calls) > 10) == (
        [],
        True,
    )


def test_every_service_has_its_stage(half):
    stages = {name: service["stage"] for name, service in half.services.items()}
    assert stages == {"users": "shifting", "posts": "settled", "threads": "planned"}


def test_every_service_has_its_weight(half):
    assert {name: service["weight"] for name, service in half.services.items()} == {
        "users": 30,
        "posts": 100,
        "threads": 0,
    }


def test_targets_are_counted_by_state(half):
    assert (half.services["users"]["targets"], half.services["users"]["healthy_targets"]) == (
        {"healthy": 1},
        1,
    )


def test_tasks_are_counted(half):
    users = half.services["users"]
    assert (users["running_count"], users["desired_count"], users["rollout"]) == (1, 1, "COMPLETED")


def test_the_image_is_the_one_that_runs(half):
    assert "/users@sha256:" in half.services["users"]["image"]


def test_the_image_has_its_age(half):
    pushed = datetime.fromisoformat(half.services["users"]["image_pushed"])
    assert timedelta(0) <= datetime.now(UTC) - pushed < timedelta(minutes=10)


def test_a_path_is_shared_by_its_weights(half):
    assert half.owners("/api/users*") == [{"monolith": 70, "users": 30}]


def test_a_path_that_is_not_moved_is_the_monolith_s(half):
    assert half.owners("/api/threads*") == [{"monolith": 100}]


def test_what_no_rule_takes_is_told(half):
    assert half.owners("*") == [{"monolith": 100}]


def test_the_monolith_is_told(half):
    monolith = half.found["monolith"]
    assert (monolith["desired_count"], monolith["running_count"], monolith["drained"]) == (
        2,
        2,
        False,
    )


def test_the_run_that_holds_the_listener_is_named(half):
    assert (half.found["lock"]["run"], half.found["lock"]["gone"]) == (RUN, False)


def test_what_differs_from_the_config_is_told(half):
    drift = [
        (row["resource"], row["action"]) for row in half.found["drift"] if row["service"] == "posts"
    ]
    assert drift == [("task definition", "update"), ("ECS service", "update")]


def test_steps_that_are_still_to_be_taken_are_drift(half):
    assert [row["resource"] for row in half.found["drift"] if row["service"] == "users"] == [
        "traffic"
    ]


def test_the_screen_has_a_row_for_every_service(half):
    rows = [line.split() for line in half.screen.splitlines()]
    stages = [(row[0], row[1]) for row in rows if len(row) > 3 and row[2].endswith("%")]
    assert stages == [("users", "shifting"), ("posts", "settled"), ("threads", "planned")]


def test_the_screen_shows_the_routing(half):
    assert "monolith 70%, users 30%" in half.screen


def test_the_screen_names_the_run_that_has_the_lock(half):
    assert f"Lock: {RUN}" in half.screen


def test_a_config_that_is_not_there_is_refused(tmp_path):
    code, out = look(tmp_path / "none.yaml", "--json")
    assert (code, json.loads(out)["status"]) == (2, "refused")


def test_a_split_that_is_not_begun_is_the_monolith_s_alone(sandbox):
    _, out = look(sandbox.state["config"], "--json")
    found = json.loads(out)
    assert {
        who for item in found["paths"] for answer in item["answers"] for who in answer["shares"]
    } == {"monolith"}


def test_without_a_run_there_is_no_lock(sandbox):
    _, out = look(sandbox.state["config"])
    assert "Lock: none" in out
