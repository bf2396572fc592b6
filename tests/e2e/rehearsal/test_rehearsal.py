"""
`python -m flows.split` without a config: the whole job on an AWS of its own, and nothing left of
it.
"""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.runs import still_running

SERVICES = ["users", "posts", "threads"]
# Queries of Prefect's database; its own server takes ten seconds to read it.
RECORDS = {
    "flow runs": (
        "SELECT flow.name, flow_run.name, flow_run.state_name, "
        "flow_run.parent_task_run_id IS NOT NULL "
        "FROM flow_run JOIN flow ON flow.id = flow_run.flow_id"
    ),
    "task runs": "SELECT name, state_name FROM task_run",
    "logs": "SELECT message FROM log",
    "artifacts": "SELECT key FROM artifact",
}
# Requests a second; `make split` has the default.
RATE = 100


@pytest.fixture(scope="module")
def rehearsal(start_module_run, tmp_path_factory):
    """
    A whole rehearsal, with a Prefect home that is empty as on a new machine.

    `started` are the processes that ran below it during the shift.
    """
    home = tmp_path_factory.mktemp("new-prefect-home")
    run = start_module_run(
        "--engine", "process", "--rate", RATE, prefect={"PREFECT_HOME": str(home)}
    )
    run.wait_for_log("shifting")
    run.started = run.descendants()
    run.wait()
    return run


@pytest.fixture(scope="module")
def records(rehearsal):
    """What Prefect has recorded of it, by table."""
    database = Path(rehearsal.prefect["PREFECT_HOME"]) / "prefect.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return {table: connection.execute(query).fetchall() for table, query in RECORDS.items()}


def test_it_completes(rehearsal):
    assert rehearsal.ended == (0, "completed"), rehearsal.log


def test_the_object_has_the_keys_of_the_contract(rehearsal):
    keys = {"status", "engine", "services", "monolith", "traffic", "alb_url", "error", "events"}
    assert keys <= set(rehearsal.outcome)


def test_each_service_has_the_keys_of_the_contract(rehearsal):
    keys = {"stage", "weight", "healthy_targets", "image", "task_definition"}
    services = rehearsal.outcome["services"].values()
    assert [set(service) for service in services if not keys <= set(service)] == []


def test_each_event_has_the_keys_of_the_contract(rehearsal):
    keys = {"at", "kind", "service", "verdict", "text", "numbers"}
    events = rehearsal.outcome["events"]
    assert [event for event in events if not keys <= set(event)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_each_weight_of_a_service_is_an_event(rehearsal, name):
    weights = [event["weight"] for event in rehearsal.events(kind="weight", service=name)]
    assert weights == [10, 50, 100]


def test_no_gate_and_no_check_fails(rehearsal):
    verdicts = [event["verdict"] for event in rehearsal.outcome["events"] if event["verdict"]]
    assert set(verdicts) <= {"pass", "inconclusive"}
    assert "pass" in verdicts


def test_the_outcome_names_the_engine(rehearsal):
    assert rehearsal.outcome["engine"] == "process"


def test_every_service_has_all_its_traffic_and_a_healthy_target(rehearsal):
    reached = {
        name: (item["stage"], item["weight"], item["healthy_targets"])
        for name, item in rehearsal.outcome["services"].items()
    }
    assert reached == dict.fromkeys(SERVICES, ("settled", 100, 1))


def test_the_monolith_is_drained(rehearsal):
    assert rehearsal.outcome["monolith"] == {
        "service": "monolith",
        "desired_count": 0,
        "drained": True,
    }


def test_no_request_failed(rehearsal):
    assert rehearsal.outcome["traffic"]["failed"] == 0


def test_monolith_and_services_have_answered_users(rehearsal):
    assert sorted(rehearsal.outcome["traffic"]["by_backend"]) == [
        "monolith",
        "posts",
        "threads",
        "users",
    ]


def test_the_report_is_written_where_it_was_started(rehearsal):
    assert "<html" in (rehearsal.directory / "split-report.html").read_text()[:200].lower()


def test_no_process_is_left_running(rehearsal):
    assert rehearsal.started
    assert still_running(rehearsal.started) == []


def test_no_temporary_file_is_left(rehearsal):
    assert list(rehearsal.temporary.iterdir()) == []


def test_prefect_has_the_parent(records):
    assert [run[1:] for run in records["flow runs"] if run[0] == "split"] == [
        ("split forum", "Completed", False)
    ]


def test_prefect_has_a_subflow_for_every_service(records):
    runs = sorted(run[1:] for run in records["flow runs"] if run[0] == "settle service")
    assert runs == [(f"settle {name}", "Completed", True) for name in sorted(SERVICES)]


@pytest.mark.parametrize(
    "name",
    [
        "ensure ECR repository users",
        "build image of users",
        "push image of users",
        "register task definition users-task-def",
        "ensure target group users-tg",
        "ensure ECS service users",
        "wait until users is healthy",
        "check users on the preview route",
        "prove monolith idle",
    ],
)
def test_prefect_has_each_task_under_a_plain_name(records, name):
    assert (name, "Completed") in records["task runs"]


def test_no_task_run_is_left_open_in_prefect(records):
    assert [run for run in records["task runs"] if run[1] != "Completed"] == []


def test_prefect_has_the_runs_log(records):
    assert [line for (line,) in records["logs"] if "weight 100%" in line]


def test_prefect_has_plan_and_report_as_artifacts(records):
    assert {"forum-plan", "forum-report"} <= {key for (key,) in records["artifacts"]}
