"""
A run carries out the plan that it showed: what it has read and hashed once it passes on, and it
refuses a plan that is no longer true once it has the listener.
"""

import collections
import contextlib
import gc
import io
import json
import os
import shutil
import threading

import pytest
from prefect.testing.utilities import prefect_test_harness

import tasks.ecr.build
from flows import redeploy, rollback, split, teardown
from tests.e2e.configs import edited_config, only, quick
from tests.e2e.runs import wait_until

pytestmark = [
    # Each command has an event loop of its own, and Prefect's client leaves its connections to a
    # loop that has ended.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # A dozen runs, one after the other, are waited for by the first test.
    pytest.mark.timeout(600),
]

COMMANDS = {
    "split": split.main,
    "redeploy": redeploy.main,
    "rollback": rollback.main,
    "teardown": teardown.main,
}
LOCKED_AND_RELEASED = ["CreateRule", "DeleteRule"]


class Run:
    """
    One run of a command, in this process.

    `mutating` are the AWS calls with which something was changed meanwhile; `hashed` counts how
    often each build context was hashed, `identities` how often STS was called.
    """

    def __init__(self, story, name, *arguments):
        before, out = len(story.sandbox.record()), io.StringIO()
        story.hashed.clear()
        with contextlib.redirect_stdout(out):
            self.code = COMMANDS[name]([str(story.path), "--json", *arguments])
        outcome = json.loads(out.getvalue())
        self.status, self.error = outcome["status"], outcome["error"] or ""
        self.calls = story.sandbox.record()[before:]
        self.hashed = dict(story.hashed)
        self.tags = story.tags()

    @property
    def mutating(self):
        return [call["action"] for call in self.calls if call["mutating"]]

    @property
    def identities(self):
        return [call["action"] for call in self.calls].count("GetCallerIdentity")


class Story:
    """
    One service on one AWS: split off, redeployed, rolled back and removed; before each, a run whose
    plan was true when it was made, but not any more when the run had the listener.
    """

    def __init__(self, sandbox, directory, hashed):
        self.sandbox, self.hashed = sandbox, hashed
        self.context, self.report = (
            directory / "users",
            ("--report", str(directory / "report.html")),
        )
        self.path = edited_config(sandbox, directory, only("users"), quick, self._own_context)
        self._logs, self._elb = sandbox.boto("logs"), sandbox.boto("elbv2")
        self.runs = {}
        self._run("stale split", self._take_name, "split", *self.report)
        self._logs.delete_log_group(logGroupName="/ecs/users")
        self._run("edited split", self._edit, "split", *self.report)
        self._run("split", None, "split", *self.report)
        self._edit()
        self._run("stale redeploy", self._retain, "redeploy")
        self._run("redeploy", None, "redeploy")
        self._run("redeploy again", None, "redeploy")
        self._run("stale rollback", self._shift, "rollback", "--yes")
        self._run("rollback", None, "rollback", "--yes")
        self._run("stale teardown", self._delete, "teardown", "--yes")
        self._run("teardown", None, "teardown", "--yes")

    def _own_context(self, config):
        (users,) = config["services"]
        shutil.copytree(users["build"]["context"], self.context)
        users["build"]["context"] = str(self.context)
        config["monolith"]["drain"] = "never"

    def _run(self, name, change, *command):
        """Run a command; the change is made after its plan."""
        with self._under_the_lock(change) if change else contextlib.nullcontext():
            self.runs[name] = Run(self, *command)

    @contextlib.contextmanager
    def _under_the_lock(self, change):
        """Make the change while the answer about the run's lock is held back."""
        failures = []

        def wait_and_change():
            try:
                wait_until(self.sandbox.is_holding, 120)
                change()
            except Exception as error:  # noqa: BLE001 - raised by the thread that waits for this one
                failures.append(error)
            self.sandbox.faults("")

        self.sandbox.faults("hold=1")
        thread = threading.Thread(target=wait_and_change)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        assert failures == []

    def _take_name(self):
        self._logs.create_log_group(logGroupName="/ecs/users")

    def _edit(self):
        with (self.context / "app.py").open("a") as source:
            source.write("\n# Edited.\n")

    def _retain(self):
        self._logs.put_retention_policy(logGroupName="/ecs/users", retentionInDays=1)

    def _shift(self):
        rule = self._path_rule()
        groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        halves = [{"TargetGroupArn": group["TargetGroupArn"], "Weight": 50} for group in groups]
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": halves}}
        self._elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[forward])

    def _path_rule(self):
        """The rule of two target groups: the monolith's and the service's."""
        balancer = self._elb.describe_load_balancers(Names=["forum"])["LoadBalancers"][0]
        listeners = self._elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])
        arn = listeners["Listeners"][0]["ListenerArn"]
        rules = self._elb.describe_rules(ListenerArn=arn)["Rules"]
        forwards = [(rule, rule["Actions"][0].get("ForwardConfig", {})) for rule in rules]
        return next(rule for rule, forward in forwards if len(forward.get("TargetGroups", [])) == 2)

    def _delete(self):
        self._logs.delete_log_group(logGroupName="/ecs/users")

    def tags(self):
        """The tags of the images that were pushed."""
        ecr = self.sandbox.boto("ecr")
        try:
            found = ecr.describe_images(repositoryName="users")["imageDetails"]
        except ecr.exceptions.RepositoryNotFoundException:
            return set()
        return {tag for image in found for tag in image["imageTags"]}


@pytest.fixture(scope="module")
def story(start_module_sandbox, tmp_path_factory):
    """The story, with a count of the contexts whose files are hashed."""
    hashed, add_entries = collections.Counter(), tasks.ecr.build._add_entries

    def count(digest, context):
        hashed[context.build.context.name] += 1
        add_entries(digest, context)

    with (
        pytest.MonkeyPatch.context() as patch,
        prefect_test_harness(server_startup_timeout=90),
    ):
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setattr(tasks.ecr.build, "_add_entries", count)
        yield Story(start_module_sandbox(), tmp_path_factory.mktemp("story"), hashed)
    gc.collect()  # connections of loops that have ended, while their warnings are ignored


@pytest.mark.parametrize("name", ["split", "redeploy", "rollback", "teardown"])
def test_a_plan_that_is_still_true_is_carried_out(story, name):
    run = story.runs[name]
    assert (run.code, run.status) == (0, "completed"), run.error


@pytest.mark.parametrize("name", ["split", "redeploy", "redeploy again", "rollback", "teardown"])
def test_the_identity_of_the_credentials_is_read_once(story, name):
    assert story.runs[name].identities == 1


@pytest.mark.parametrize("name", ["split", "redeploy"])
def test_a_context_is_hashed_for_the_plan_and_when_it_has_been_built(story, name):
    assert story.runs[name].hashed == {"users": 2}


@pytest.mark.parametrize("name", ["stale split", "redeploy again"])
def test_a_context_that_is_not_built_is_hashed_once(story, name):
    assert story.runs[name].hashed == {"users": 1}


@pytest.mark.parametrize("name", ["rollback", "teardown"])
def test_a_run_that_builds_nothing_hashes_nothing(story, name):
    assert story.runs[name].hashed == {}


def test_sources_that_were_edited_after_the_plan_are_not_pushed(story):
    run = story.runs["edited split"]
    assert (run.code, run.status, run.tags) == (1, "failed", set())
    assert f"the files in {story.context} changed after the plan was made" in run.error


STALE = {
    "stale split": ("CreateLogGroup", "log group /ecs/users: planned create, now conflict ("),
    "stale redeploy": (
        "PutRetentionPolicy",
        "log group /ecs/users: planned no change, now update (retentionInDays: 1 -> 30)",
    ),
    "stale rollback": (
        "ModifyRule",
        "traffic weights: planned update (100% -> 0%), now update (50% -> 0%)",
    ),
    "stale teardown": (
        "DeleteLogGroup",
        "log group /ecs/users: planned delete (with everything in it), now nothing",
    ),
}


@pytest.mark.parametrize("name", STALE)
def test_a_stale_plan_is_refused_with_the_difference(story, name):
    run = story.runs[name]
    heading, *differences = run.error.splitlines()
    assert (run.code, run.status) == (2, "refused")
    assert heading.endswith("nothing was changed, run again:")
    assert [line.startswith(f"  users: {STALE[name][1]}") for line in differences] == [True], (
        run.error
    )


@pytest.mark.parametrize("name", STALE)
def test_a_run_with_a_stale_plan_changes_nothing(story, name):
    change, _ = STALE[name]
    mutating = story.runs[name].mutating
    mutating.remove(change)  # the test's own
    assert mutating == LOCKED_AND_RELEASED
