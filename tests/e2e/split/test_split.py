"""
A plan, its apply under live traffic, another plan and another apply, one after the other on one
AWS; each test is one property of them.
"""

from collections import Counter

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config
from tests.iam import allowed_actions, iam_action

SERVICES = aws_state.SERVICES
PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1", "threads": "/api/threads/2"}
# The call that makes a resource of the plan; the image is pushed to the registry, past AWS's API.
MADE_BY = {
    "ECR repository": "CreateRepository",
    "log group": "CreateLogGroup",
    "IAM role": "CreateRole",
    "task definition": "RegisterTaskDefinition",
    "target group": "CreateTargetGroup",
    "ECS service": "CreateService",
    "listener rule": "CreateRule",
    "preview rule": "CreateRule",
    "control rule": "CreateRule",
}


def hasty(config):
    """An edit: the rehearsal's three steps, in a third of the time."""
    for step in config["traffic"]["shift"]["list"]:
        step["bake"] = 0.5
    config["monolith"]["quiet_period"] = 1


class Story:
    """The runs in their order, with what AWS holds after the apply."""

    def __init__(self, sandbox, config, start_run, start_client):
        self.sandbox = sandbox
        self.config = config
        self._start = start_run
        self.calls = {}
        self.client = start_client(sandbox, "/", *PATHS.values())
        self.plan = self._run("plan", "--plan")
        self.untouched = aws_state.listener_rules(sandbox)
        self.apply = self._run("apply")
        self.traffic = self.client.end()
        self.plan_after = self._run("plan after", "--plan")
        self.state = aws_state.end_state(sandbox, *SERVICES)
        self.images = {name: aws_state.images(sandbox, name) for name in SERVICES}
        self.again = self._run("again")

    def _run(self, name, *arguments):
        before = len(self.sandbox.record())
        run = self._start(self.config, *arguments)
        run.wait()
        self.calls[name] = self.sandbox.record()[before:]
        return run

    def mutating(self, name):
        """The actions of the calls that could change something."""
        return [call["action"] for call in self.calls[name] if call["mutating"]]


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, hasty)
    return Story(sandbox, config, start_module_run, start_module_client)


def planned(story, action):
    """(resource, name) of the plan's rows with that action."""
    return [
        (row["resource"], row["name"])
        for row in story.plan.outcome["plan"]
        if row["action"] == action
    ]


def test_a_plan_of_changes_exits_3(story):
    assert story.plan.ended == (3, "planned"), story.plan.log


def test_a_plan_makes_no_mutating_call(story):
    assert story.mutating("plan") == []


def test_what_the_plan_creates_is_what_the_apply_creates(story):
    wanted = Counter(
        MADE_BY[resource] for resource, _ in planned(story, "create") if resource != "image"
    )
    # Services side by side may want one priority: ELBv2 refuses the second, which then takes
    # another.
    carried_out = [
        call["action"] for call in story.calls["apply"] if call["mutating"] and call["status"] < 300
    ]
    made = Counter(action for action in carried_out if action in MADE_BY.values())
    made["CreateRule"] -= 2  # the lock and the test of the header are the run's, not the split's
    assert made == wanted


def test_every_planned_name_is_there_after_the_apply(story):
    names = {
        "ECR repository": story.state["repositories"],
        "log group": story.state["log groups"],
        "IAM role": story.state["roles"],
        "target group": story.state["target groups"],
        "ECS service": list(story.state["services"]),
        "task definition": [f"{name}-task-def" for name in story.state["services"]],
    }
    rows = [(resource, name) for resource, name in planned(story, "create") if resource in names]
    assert len(rows) == 6 * len(SERVICES)
    assert [row for row in rows if row[1] not in names[row[0]]] == []


def test_every_planned_image_is_pushed_under_its_tag(story):
    tags = sorted(name for resource, name in planned(story, "create") if resource == "image")
    assert tags == sorted(
        f"{name}:{tag}" for name in SERVICES for [tag] in story.images[name].values()
    )


def test_the_apply_updates_only_what_the_plan_updates(story):
    resources = Counter(resource for resource, _ in planned(story, "update"))
    assert resources == {
        "traffic": 3,
        "scalable target": 1,
        "listener": 1,
        "listener rule": 1,
        "ECS service": 1,
    }


def test_the_listener_is_as_it_was_after_a_plan(story):
    assert [rule["Priority"] for rule in story.untouched] == ["99", "default"]


def test_the_apply_completes(story):
    assert story.apply.ended == (0, "completed"), story.apply.log
    assert story.apply.outcome["error"] is None


def test_no_user_saw_a_failure(story):
    assert story.traffic["requests"] > 100
    assert story.traffic["failed"] == 0


@pytest.mark.parametrize("service", SERVICES)
def test_the_repository_holds_the_digest_that_the_task_definition_runs(story, service):
    (definition,) = aws_state.task_definitions(story.sandbox, service)
    repository, _, digest = definition["containerDefinitions"][0]["image"].partition("@")
    assert (repository.rpartition("/")[2], list(story.images[service])) == (service, [digest])


@pytest.mark.parametrize("service", SERVICES)
def test_the_outcome_names_image_and_task_definition(story, service):
    (definition,) = aws_state.task_definitions(story.sandbox, service)
    outcome = story.apply.outcome["services"][service]
    assert outcome["image"] == definition["containerDefinitions"][0]["image"]
    assert outcome["task_definition"] == definition["taskDefinitionArn"]


@pytest.mark.parametrize("service", SERVICES)
def test_one_task_of_the_service_runs_and_is_healthy(story, service):
    state = story.state["services"][service]
    assert [state["service"][key] for key in ("desiredCount", "runningCount")] == [1, 1]
    assert (state["tasks"], state["targets"]) == (1, ["healthy"])


@pytest.mark.parametrize("service", SERVICES)
def test_the_tasks_log_is_in_its_log_group(story, service):
    events = story.sandbox.boto("logs").filter_log_events(logGroupName=f"/ecs/{service}", limit=5)[
        "events"
    ]
    assert events


@pytest.mark.parametrize("service", SERVICES)
def test_only_ecs_tasks_may_have_the_services_role(story, service):
    (statement,) = story.state["services"][service]["role"]["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == (
        "Allow",
        {"Service": "ecs-tasks.amazonaws.com"},
    )


@pytest.mark.parametrize("service", SERVICES)
def test_one_rule_gives_the_service_all_requests_for_its_path(story, service):
    assert aws_state.weights(story.sandbox)[service] == {
        "forum-monolith-tg": 0,
        f"{service}-tg": 100,
    }


@pytest.mark.parametrize(("service", "path"), PATHS.items())
def test_the_load_balancer_answers_from_the_service(story, service, path):
    assert story.sandbox.get(path)[1]["X-Served-By"] == service


def test_what_no_service_takes_is_answered_as_configured(story):
    assert story.sandbox.get("/")[1]["X-Served-By"] == "users"


def test_no_private_rule_is_left(story):
    assert aws_state.private_rules(story.sandbox) == []


def test_the_monolith_is_drained(story):
    assert story.state["monolith"]["counts"] == [0, 0, 0]


def test_the_report_is_written(story):
    assert (story.apply.directory / "split-report.html").stat().st_size > 10_000


def test_the_iam_policy_allows_every_call(story):
    calls = [call for calls in story.calls.values() for call in calls]
    called = {iam_action(call["service"], call["action"]) for call in calls}
    assert "ecs:CreateService" in called
    assert called - allowed_actions() == set()


def test_a_plan_of_a_finished_split_exits_0(story):
    assert story.plan_after.ended == (0, "unchanged")


def test_a_plan_of_a_finished_split_is_all_no_change(story):
    assert {row["action"] for row in story.plan_after.outcome["plan"]} == {"no change"}


def test_a_second_run_exits_0(story):
    assert story.again.ended == (0, "unchanged")


def test_a_second_run_makes_no_mutating_call(story):
    assert story.mutating("again") == []


def test_a_second_run_builds_nothing(story):
    assert "Step 1/" in story.apply.log
    assert "Step 1/" not in story.again.log


def test_a_second_run_has_the_same_outcome_for_the_services(story):
    assert story.again.outcome["services"] == story.apply.outcome["services"]
