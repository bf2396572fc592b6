"""
`python -m flows.redeploy` on a split that is finished, under live traffic; each test is about one
property.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config, quick
from tests.e2e.redeploy.forum import PATHS, Forum

SERVICES = aws_state.SERVICES
CRASH = "import sys\nprint('no such table: users', flush=True)\nsys.exit(3)\n"


class Story:
    """Redeploys in their order: of nothing; of one service; of one that is broken and another."""

    def __init__(self, forum):
        self.forum = forum
        self.at_first = forum.running()
        self.idle = forum.redeploy()
        forum.change("users")
        self.plan = forum.redeploy("--plan")
        self.changed = forum.redeploy()
        self.after_change = forum.running()
        forum.change("posts")
        forum.source("users").write_text(CRASH)
        self.broken = forum.redeploy()
        self.after_broken = forum.running()
        self.backends = {
            name: forum.sandbox.get(path)[1]["X-Served-By"] for name, path in PATHS.items()
        }
        self.traffic = forum.client.end()


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    forum = Forum(start_module_sandbox(), module_directory, start_module_run, start_module_client)
    return Story(forum)


def test_a_redeploy_of_nothing_exits_0(story):
    assert story.idle.ended == (0, "unchanged"), story.idle.log


def test_a_redeploy_of_nothing_makes_no_mutating_call(story):
    assert story.idle.calls == []


def test_a_plan_of_a_redeploy_exits_3(story):
    assert (story.plan.ended, story.plan.calls) == ((3, "planned"), [])


def test_a_plan_of_a_redeploy_names_what_it_changes(story):
    changes = [row[:2] for row in story.plan.rows if row[2] != "no change"]
    assert changes == [("users", "image"), ("users", "task definition"), ("users", "ECS service")]


def test_a_redeploy_exits_0(story):
    assert story.changed.ended == (0, "completed"), story.changed.log


def test_only_the_changed_service_is_built(story):
    assert story.changed.log.count("Successfully built") == 1
    assert "[build image of users]" in story.changed.log


def test_the_changed_service_runs_the_next_revision(story):
    revisions = [
        running["users"][0].rpartition(":")[2] for running in (story.at_first, story.after_change)
    ]
    assert revisions == ["1", "2"]


@pytest.mark.parametrize("service", ["posts", "threads"])
def test_the_other_services_keep_their_revision_and_their_tasks(story, service):
    assert story.after_change[service] == story.at_first[service]


def test_the_outcome_names_the_image_that_runs(story):
    (_, definition) = aws_state.task_definitions(story.forum.sandbox, "users")[:2]
    image = story.changed.outcome["services"]["users"]["image"]
    assert image == definition["containerDefinitions"][0]["image"]


def test_a_redeploy_of_a_broken_image_exits_1(story):
    assert story.broken.ended == (1, "failed"), story.broken.log


def test_a_broken_image_is_rolled_back(story):
    assert story.after_broken["users"][0] == story.after_change["users"][0]


def test_after_a_rollback_as_many_tasks_run_as_before(story):
    assert len(story.after_broken["users"][1]) == len(story.after_change["users"][1]) == 1


def test_the_message_names_the_circuit_breaker_or_the_rollback(story):
    error = story.broken.outcome["error"]
    assert "rolled back" in error or "circuit breaker" in error


def test_the_message_shows_the_containers_last_lines(story):
    assert "no such table: users" in story.broken.outcome["error"]


def test_the_message_names_the_revision_that_serves_now(story):
    assert "users is back on users-task-def:2" in story.broken.outcome["error"]


def test_the_outcome_of_a_failed_service_is_what_it_runs(story):
    users = story.broken.outcome["services"]["users"]
    assert (users["stage"], users["task_definition"]) == ("failed", story.after_change["users"][0])


def test_one_failing_service_does_not_stop_the_others(story):
    posts = story.broken.outcome["services"]["posts"]
    assert posts["task_definition"].endswith("posts-task-def:2")


def test_every_path_is_answered_by_its_service_afterwards(story):
    assert story.backends == {name: name for name in SERVICES}


def test_no_user_saw_a_failure(story):
    assert story.traffic["requests"] > 100
    assert story.traffic["failed"] == 0


def test_no_private_rule_is_left(story):
    assert aws_state.private_rules(story.forum.sandbox) == []


def test_services_that_were_never_split_off_are_left_alone(sandbox, start_run, tmp_path):
    before = len(sandbox.record())
    run = start_run(edited_config(sandbox, tmp_path, quick), module="flows.redeploy")
    run.wait()
    assert run.ended == (0, "unchanged"), run.log
    assert (run.log.count("skipped: "), sandbox.changes(before)) == (3, [])
