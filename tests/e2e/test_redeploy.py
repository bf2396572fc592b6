"""
`python -m flows.redeploy` on a split that is finished, while users call it; each test is about one
property.
"""

import shutil

import pytest
import yaml

from config.load import load_config
from tests.e2e import aws_state
from tests.e2e.runs import edited_config, quick, wait_until
from tests.placed import place

SERVICES = aws_state.SERVICES
PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1", "threads": "/api/threads/2"}
CRASH = "import sys\nprint('no such table: users', flush=True)\nsys.exit(3)\n"


class Forum:
    """
    The forum, carved out into three services with sources of their own, and a client that never
    stops calling.
    """

    def __init__(self, sandbox, directory, start_run, start_client, *edits):
        self.sandbox, self._start = sandbox, start_run
        self._sources = directory / "sources"
        self.path = edited_config(sandbox, directory, quick, self._give_sources, *edits)
        config = load_config(self.path)
        for name in SERVICES:
            place(config, name, 100)
        self.client = start_client(sandbox, *PATHS.values())

    def _give_sources(self, config):
        config["monolith"]["drain"] = "never"
        for service in config["services"]:
            own = self._sources / service["name"]
            shutil.copytree(service["build"]["context"], own)
            service["build"]["context"] = str(own)

    def source(self, name):
        """The program of a service."""
        return self._sources / name / "app.py"

    def change(self, name):
        """Give a service other content, which answers as before."""
        with self.source(name).open("a") as source:
            source.write("\n# Changed.\n")

    def edit(self, edit):
        """Change the config."""
        config = yaml.safe_load(self.path.read_text())
        edit({service["name"]: service for service in config["services"]})
        self.path.write_text(yaml.safe_dump(config))

    def redeploy(self, *arguments):
        """Run it to its end; returns the run, with the mutating calls that it made as `calls`."""
        before = len(self.sandbox.record())
        run = self._start(self.path, *arguments, module="flows.redeploy")
        run.wait()
        run.calls = [call["action"] for call in self.sandbox.record()[before:] if call["mutating"]]
        return run

    def running(self):
        """{service: (revision, ids of its tasks)}."""
        ecs, found = self.sandbox.boto("ecs"), {}
        for name in SERVICES:
            service = ecs.describe_services(cluster="forum", services=[name])["services"][0]
            tasks = ecs.list_tasks(cluster="forum", serviceName=name)["taskArns"]
            found[name] = (service["taskDefinition"], tuple(sorted(tasks)))
        return found


class Story:
    """
    What happened, in order: nothing to do; one service changed; one changed and another spoilt; as
    it was again.
    """

    def __init__(self, forum):
        self.forum, self.at_first = forum, forum.running()
        self.idle = forum.redeploy()
        forum.change("users")
        self.plan = forum.redeploy("--plan")
        self.changed = forum.redeploy()
        self.after_change = forum.running()
        forum.change("posts")
        forum.source("users").write_text(CRASH)
        self.spoilt = forum.redeploy()
        self.after_spoilt = forum.running()
        self.backends = {
            name: forum.sandbox.get(path)[1]["X-Served-By"] for name, path in PATHS.items()
        }
        self.traffic = forum.client.end()


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    forum = Forum(start_module_sandbox(), module_directory, start_module_run, start_module_client)
    return Story(forum)


def test_a_redeploy_of_what_has_not_changed_exits_0(story):
    assert (story.idle.process.returncode, story.idle.outcome["status"]) == (0, "unchanged"), (
        story.idle.log
    )


def test_a_redeploy_of_what_has_not_changed_makes_no_mutating_call(story):
    assert story.idle.calls == []


def test_a_plan_of_a_redeploy_exits_3(story):
    assert (story.plan.process.returncode, story.plan.outcome["status"], story.plan.calls) == (
        3,
        "planned",
        [],
    )


def test_a_plan_of_a_redeploy_names_what_it_changes(story):
    rows = [
        (row["service"], row["resource"])
        for row in story.plan.outcome["plan"]
        if row["action"] != "no change"
    ]
    assert rows == [("users", "image"), ("users", "task definition"), ("users", "ECS service")]


def test_a_redeploy_exits_0(story):
    assert (story.changed.process.returncode, story.changed.outcome["status"]) == (
        0,
        "completed",
    ), story.changed.log


def test_only_the_changed_service_is_built(story):
    assert (
        story.changed.log.count("Successfully built"),
        "[build image of users]" in story.changed.log,
    ) == (1, True)


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
    assert (
        story.changed.outcome["services"]["users"]["image"]
        == definition["containerDefinitions"][0]["image"]
    )


def test_a_redeploy_with_a_bad_image_exits_1(story):
    assert (story.spoilt.process.returncode, story.spoilt.outcome["status"]) == (1, "failed"), (
        story.spoilt.log
    )


def test_a_bad_image_is_rolled_back(story):
    assert story.after_spoilt["users"][0] == story.after_change["users"][0]


def test_after_a_rollback_as_many_tasks_run_as_before(story):
    assert len(story.after_spoilt["users"][1]) == len(story.after_change["users"][1]) == 1


def test_the_message_says_that_the_circuit_breaker_has_rolled_it_back(story):
    assert (
        "rolled back" in story.spoilt.outcome["error"]
        or "circuit breaker" in story.spoilt.outcome["error"]
    )


def test_the_message_shows_the_container_s_last_lines(story):
    assert "no such table: users" in story.spoilt.outcome["error"]


def test_the_message_says_what_serves_now(story):
    assert "users is back on users-task-def:2" in story.spoilt.outcome["error"]


def test_the_outcome_of_a_failed_service_is_what_it_runs(story):
    users = story.spoilt.outcome["services"]["users"]
    assert (users["stage"], users["task_definition"]) == ("failed", story.after_change["users"][0])


def test_a_failing_service_leaves_the_others_to_be_redeployed(story):
    assert story.spoilt.outcome["services"]["posts"]["task_definition"].endswith("posts-task-def:2")


def test_every_path_is_answered_by_its_service_afterwards(story):
    assert story.backends == {name: name for name in SERVICES}


def test_no_user_saw_a_failure(story):
    assert (story.traffic["failed"], story.traffic["requests"] > 100) == (0, True)


def test_no_rule_of_the_runs_own_is_left(story):
    assert aws_state.private_rules(story.forum.sandbox) == []


class Pruned:
    """
    A service that is changed three times, and then answers wrong; one old image is kept beside
    those in use.
    """

    def __init__(self, forum):
        self.sandbox = forum.sandbox
        forum.edit(lambda services: services["users"].update(environment={"FORUM_WRONG_JSON": "1"}))
        self.wrong = forum.redeploy("--only", "users")
        forum.edit(lambda services: services["users"].update(environment={}))
        for _ in range(3):
            forum.change("users")
            self.last = forum.redeploy("--only", "users")
        self.running = forum.running()
        self.traffic = forum.client.end()

    def revisions(self):
        """Numbers of the active revisions."""
        return [item["revision"] for item in aws_state.task_definitions(self.sandbox, "users")]


@pytest.fixture(scope="module")
def pruned(start_module_sandbox, start_module_run, start_module_client, tmp_path_factory):
    directory = tmp_path_factory.mktemp("pruned")

    def keep_one(config):
        config["keep_images"] = 1

    return Pruned(
        Forum(start_module_sandbox(), directory, start_module_run, start_module_client, keep_one)
    )


def test_a_revision_that_answers_wrong_is_taken_back(pruned):
    error = pruned.wrong.outcome["error"]
    assert (pruned.wrong.process.returncode, "users is back on users-task-def:1" in error) == (
        1,
        True,
    ), pruned.wrong.log


def test_old_revisions_are_pruned_but_for_those_that_are_kept_and_the_one_before(pruned):
    # 5 runs, 4 ran before it, and 3 is the one that is kept beside those.
    assert pruned.revisions() == [3, 4, 5]


def test_old_images_are_pruned_as_their_revisions_are(pruned):
    assert len(aws_state.images(pruned.sandbox, "users")) == 3


def test_every_active_revision_has_its_image(pruned):
    held = aws_state.images(pruned.sandbox, "users")
    wanted = [
        item["containerDefinitions"][0]["image"].partition("@")[2]
        for item in aws_state.task_definitions(pruned.sandbox, "users")
    ]
    assert [digest for digest in wanted if digest not in held] == []


def test_services_that_were_not_asked_for_are_not_pruned(pruned):
    assert len(aws_state.images(pruned.sandbox, "posts")) == 1


def test_no_user_of_a_service_that_changes_often_saw_a_failure(pruned):
    assert pruned.traffic["failed"] == 0


def test_a_service_that_is_not_split_off_is_skipped(start_sandbox, start_run, tmp_path):
    sandbox = start_sandbox()
    run = start_run(edited_config(sandbox, tmp_path, quick), module="flows.redeploy")
    run.wait()
    calls = [call["action"] for call in sandbox.record() if call["mutating"]]
    assert (run.process.returncode, run.outcome["status"], run.log.count("skipped: "), calls) == (
        0,
        "unchanged",
        3,
        [],
    )


def test_a_rollout_that_a_killed_run_has_left_is_seen_to_its_end(
    start_sandbox, start_run, start_client, tmp_path
):
    forum = Forum(start_sandbox(), tmp_path, start_run, start_client)
    forum.change("users")
    killed = start_run(forum.path, "--only", "users", module="flows.redeploy")
    wait_until(
        lambda: any(call["action"] == "UpdateService" for call in forum.sandbox.record()), 120
    )
    killed.kill()
    again = forum.redeploy("--only", "users")
    assert (again.process.returncode, "RegisterTaskDefinition" in again.calls) == (0, False), (
        again.log
    )
