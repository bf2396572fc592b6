"""
A split, its rollback and its teardown, one after the other on one AWS under live traffic; each test
is one property of them.

The first rollback and the teardown are killed in the middle, and run again. Before them, Terraform
removes all tags from what it made itself: the rollback has to find its way back without them.
"""

import signal
import time

import pytest

from tests.e2e import aws_state
from tests.e2e.account import read_account
from tests.e2e.configs import edited_config, hasten_drain, only, quick

# The first test waits for a dozen runs.
pytestmark = pytest.mark.timeout(600)

PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1"}
# The calls at which a rollback, and a teardown, are killed; by the latter no ECS service is left.
IN_THE_RESTORE = "ModifyListener"
IN_THE_REMOVAL = "DeleteLogGroup:2"


class Story:
    """The runs in their order, with what AWS holds in between."""

    def __init__(self, sandbox, config, start_run, start_client):
        self.sandbox = sandbox
        self.runs = {}
        self.mutating = {}
        self.began = {}
        self.killed = {}
        self._config = config
        self._start = start_run
        hasten_drain(sandbox)
        self.before = read_account(sandbox)
        self.client = start_client(sandbox, "/", *PATHS.values())
        self._run("split", "flows.split")
        self._run("teardown of a drained one", "flows.teardown", "--yes")
        self._remove_tags()
        self._run("rollback plan", "flows.rollback", "--plan")
        self._kill_at(IN_THE_RESTORE, "flows.rollback", "--only", "posts")
        self._run("one path", "flows.rollback", "--only", "posts")
        self.one_path = self._traffic_and_counts()
        self._run("teardown under traffic", "flows.teardown", "--yes")
        self._run("the rest", "flows.rollback")
        self.rest = self._traffic_and_counts()
        self._run("rollback again", "flows.rollback")
        self._run("teardown plan", "flows.teardown", "--plan")
        self._kill_at(IN_THE_REMOVAL, "flows.teardown", "--yes")
        self.half_way = read_account(sandbox)
        self._run("teardown", "flows.teardown", "--yes")
        self._run("teardown again", "flows.teardown", "--yes")
        self.traffic = self.client.end()
        self.after = read_account(sandbox)

    def _remove_tags(self):
        """What Terraform does with tags that it does not know, on everything that it made."""
        ecs, elb = self.sandbox.boto("ecs"), self.sandbox.boto("elbv2")
        monolith = aws_state.read_services(self.sandbox)["monolith"]
        keys = [tag["key"] for tag in monolith["tags"]]
        ecs.untag_resource(resourceArn=monolith["serviceArn"], tagKeys=keys)
        tagged = [rule for rule in aws_state.listener_rules(self.sandbox) if rule["Tags"]]
        foreign = [rule["RuleArn"] for rule in tagged if "split:role" not in rule["Tags"]]
        for arn in (*foreign, aws_state.listener_arn(self.sandbox)):
            elb.remove_tags(ResourceArns=[arn], TagKeys=["split:taken-over"])

    def _run(self, name, module, *arguments):
        before = len(self.sandbox.record())
        self.began[name] = time.time()
        self.runs[name] = run = self._start(self._config, *arguments, module=module)
        run.wait()
        self.mutating[name] = self.sandbox.changes(before)

    def _kill_at(self, action, module, *arguments):
        """Kill a run while it waits for the answer to its first call of the action."""
        self.sandbox.faults(f"hold={action}")
        run = self._start(self._config, *arguments, module=module)
        run.wait_while_running(self.sandbox.is_holding, 120)
        self.killed[module] = run.kill()
        self.sandbox.faults("")

    def _traffic_and_counts(self):
        return {
            "weights": aws_state.weights(self.sandbox),
            "counts": aws_state.desired_counts(self.sandbox),
        }

    def ended(self, name):
        """Exit code and status of a run."""
        return self.runs[name].ended


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, only(*PATHS), quick)
    return Story(sandbox, config, start_module_run, start_module_client)


def test_the_split_completes(story):
    assert story.ended("split") == (0, "completed"), story.runs["split"].log


def test_no_user_sees_a_failure(story):
    assert story.traffic["requests"] > 100
    assert story.traffic["failed"] == 0


def test_a_rollback_plan_names_what_it_restores_and_returns(story):
    assert story.runs["rollback plan"].rows == [
        ("monolith", "ECS service", "update"),
        ("monolith", "scalable target", "update"),
        ("monolith", "listener rule", "update"),
        ("monolith", "listener", "update"),
        ("users", "traffic", "update"),
        ("posts", "traffic", "update"),
    ]


def test_a_rollback_plan_exits_3_and_changes_nothing(story):
    assert (story.ended("rollback plan"), story.mutating["rollback plan"]) == ((3, "planned"), [])


@pytest.mark.parametrize("module", ["flows.rollback", "flows.teardown"])
def test_one_run_was_killed_at_its_call(story, module):
    assert story.killed[module] == -signal.SIGKILL


def test_a_killed_rollback_is_finished_by_the_next(story):
    assert story.ended("one path") == (0, "completed"), story.runs["one path"].log


def test_one_path_goes_back_and_the_other_stays(story):
    assert story.one_path["weights"]["posts"] == {"forum-monolith-tg": 100, "posts-tg": 0}
    assert story.one_path["weights"]["users"] == {"forum-monolith-tg": 0, "users-tg": 100}


def test_the_monolith_has_its_recorded_size_for_one_path_too(story):
    assert story.one_path["counts"]["monolith"] == 2


def test_the_rest_goes_back_as_well(story):
    assert story.ended("the rest") == (0, "completed"), story.runs["the rest"].log
    assert story.rest["weights"]["users"] == {"forum-monolith-tg": 100, "users-tg": 0}


def test_the_services_stay_without_remove(story):
    assert story.rest["counts"] == {"monolith": 2, "users": 1, "posts": 1}


@pytest.mark.parametrize("path", PATHS.values())
def test_the_monolith_answers_after_the_rollback(story, path):
    assert story.client.backends(path, story.began["rollback again"]) == {"monolith"}


def test_the_outcome_of_a_rollback_has_the_services_and_the_monolith(story):
    outcome = story.runs["the rest"].outcome
    services = outcome["services"]
    assert {name: (item["stage"], item["weight"]) for name, item in services.items()} == {
        "users": ("returned", 0),
        "posts": ("returned", 0),
    }
    assert outcome["monolith"] == {"service": "monolith", "desired_count": 2, "drained": False}


@pytest.mark.parametrize("again", ["rollback again", "teardown again"])
def test_a_repeated_run_has_nothing_to_do(story, again):
    assert (story.ended(again), story.mutating[again]) == ((0, "unchanged"), []), story.runs[
        again
    ].log


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (
            "teardown of a drained one",
            "monolith is drained, and the record of its size of 2 tasks would be removed",
        ),
        ("teardown of a drained one", "the default action was taken over from monolith"),
        ("teardown under traffic", "users: receives 100% of the requests for its paths"),
    ],
)
def test_a_teardown_is_refused_with_the_reason(story, run, reason):
    assert story.ended(run) == (2, "refused")
    assert reason in story.runs[run].outcome["error"]


@pytest.mark.parametrize("run", ["teardown of a drained one", "teardown under traffic"])
def test_a_refused_teardown_changes_nothing(story, run):
    assert story.mutating[run] == []


def test_a_teardown_plan_deletes_every_kind_of_resource(story):
    kinds = [
        "listener rule",
        "ECS service",
        "task definition",
        "log group",
        "IAM role",
        "ECR repository",
    ]
    rows = [(service, kind, "delete") for service in PATHS for kind in [*kinds, "target group"]]
    assert (story.ended("teardown plan"), story.runs["teardown plan"].rows) == (
        (3, "planned"),
        rows,
    )


def test_a_killed_teardown_leaves_a_target_group_by_which_the_next_finds_the_rest(story):
    # Services are removed side by side: one may be gone, the one that waits for its answer is not.
    groups = {
        group["group"]["TargetGroupName"] for group in story.half_way["target groups"].values()
    }
    assert set(story.half_way["services"]) == {"monolith"}
    assert groups & {"users-tg", "posts-tg"}


def test_a_killed_teardown_is_finished_by_the_next(story):
    assert story.ended("teardown") == (0, "completed"), story.runs["teardown"].log


def test_a_teardown_leaves_only_what_was_there_before(story):
    assert aws_state.differences(story.after, story.before) == []
