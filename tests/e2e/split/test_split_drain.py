"""
What stands against a drain, and what brings the monolith back: runs on one AWS, each test is one
property of one.

`users` has settled once and for all, so that every run after the first is about the drain alone.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.account import read_account
from tests.e2e.runs import edited_config, hasten_drain, only, quick

STRAY, LEGACY = "/api/threads/2", "/legacy/1"


def keep(config):
    """An edit: what no service takes stays with the monolith."""
    config["monolith"]["default_action"] = {"action": "keep"}


def approve(config):
    """An edit: a person is asked, and has a moment to answer."""
    config["monolith"] |= {"drain": "approve", "approval_timeout": 2}


def patient(config):
    """An edit: long enough a quiet period for somebody to disturb it."""
    config["monolith"]["quiet_period"] = 2


class Story:
    """What happened, in order."""

    def __init__(self, sandbox, directory, start_run, start_client):
        self.sandbox, self._directory, self._start, self._client = (
            sandbox,
            directory,
            start_run,
            start_client,
        )
        self.runs, self.differences = {}, {}
        hasten_drain(sandbox)
        client = start_client(sandbox, STRAY, rate=2)
        self._run("kept", keep)
        self.kept_counts = aws_state.desired_counts(sandbox)
        self._run("kept again", keep)
        client.end()
        self._scenario("nobody agreed", approve)
        self._scenario("disturbed", patient, meanwhile=self._disturb)
        self._scenario("broken afterwards", meanwhile=self._break)
        self._run("drained")
        self.drained = {
            "counts": aws_state.desired_counts(sandbox),
            "tags": aws_state.read_services(sandbox)["monolith"]["tags"],
            "scaling": read_account(sandbox)["scaling"][0]["SuspendedState"],
        }

    def _run(self, name, *edits, meanwhile=None):
        config = edited_config(self.sandbox, self._directory, only("users"), quick, *edits)
        self.runs[name] = run = self._start(config)
        if meanwhile:
            meanwhile(run)
        run.wait()

    def _scenario(self, name, *edits, meanwhile=None):
        """A run that is to leave everything as it was."""
        before = read_account(self.sandbox)
        self._run(name, *edits, meanwhile=meanwhile)
        self.differences[name] = aws_state.differences(read_account(self.sandbox), before)

    def _disturb(self, run):
        """Somebody sends a path to the monolith again, and somebody asks for it."""
        run.wait_for("waiting until monolith has had no request")
        elb = self.sandbox.boto("elbv2")
        group = elb.describe_target_groups(Names=["forum-monolith-tg"])["TargetGroups"][0][
            "TargetGroupArn"
        ]
        made = elb.create_rule(
            ListenerArn=aws_state.listener_arn(self.sandbox),
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/legacy*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        client = self._client(self.sandbox, LEGACY, rate=2)
        run.wait()
        client.end()
        elb.delete_rule(RuleArn=made["Rules"][0]["RuleArn"])

    def _break(self, run):
        """
        Once the monolith is on its way down, somebody breaks the rule of a service; later they mend
        it.
        """
        run.wait_for("desired count 2 -> 0")
        elb = self.sandbox.boto("elbv2")
        rule = next(
            rule
            for rule in aws_state.listener_rules(self.sandbox)
            if rule["Tags"].get("split:role") == "path"
        )
        broken = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[broken])
        run.wait()
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=rule["Actions"])

    def ended(self, name):
        """Exit code and status of a run."""
        return self.runs[name].process.returncode, self.runs[name].outcome["status"]


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    return Story(start_module_sandbox(), module_directory, start_module_run, start_module_client)


def test_a_monolith_that_keeps_paths_is_not_drained(story):
    assert (story.ended("kept"), story.kept_counts["monolith"]) == ((0, "completed"), 2), (
        story.runs["kept"].log
    )


@pytest.mark.parametrize("run", ["kept", "kept again"])
@pytest.mark.parametrize(
    "words",
    [
        (
            "monolith is not drained: rule 99 (/api*) sends requests to it, and "
            "monolith.default_action is keep"
        ),
        f"it was asked for {STRAY} (",
        f"| GET {STRAY} 200",
    ],
)
def test_the_rule_and_the_unowned_path_that_stand_against_it_are_named(story, run, words):
    assert words in story.runs[run].log


def test_without_a_person_s_consent_the_run_fails(story):
    assert story.ended("nobody agreed") == (1, "failed")
    assert (
        "nobody agreed to drain monolith; it serves on"
        in story.runs["nobody agreed"].outcome["error"]
    )


def test_a_monolith_that_gets_requests_is_not_drained(story):
    assert story.ended("disturbed") == (1, "failed"), story.runs["disturbed"].log


@pytest.mark.parametrize(
    "words", ["monolith is not idle", "rule 1 (/legacy*) on port", f"it was asked for {LEGACY} ("]
)
def test_what_disturbs_the_quiet_is_named(story, words):
    assert words in story.runs["disturbed"].outcome["error"]


def test_a_check_that_fails_after_the_drain_fails_the_run(story):
    assert story.ended("broken afterwards") == (1, "failed"), story.runs["broken afterwards"].log
    assert (
        "users does not answer right on its public path"
        in story.runs["broken afterwards"].outcome["error"]
    )


def test_the_monolith_had_been_on_its_way_down(story):
    assert (
        "monolith comes back to 2 tasks: users does not answer right"
        in story.runs["broken afterwards"].log
    )


@pytest.mark.parametrize("run", ["nobody agreed", "disturbed", "broken afterwards"])
def test_rules_size_and_scaling_are_as_before(story, run):
    assert story.differences[run] == [], story.runs[run].log


def test_the_next_run_drains_it(story):
    assert (story.ended("drained"), story.drained["counts"]) == (
        (0, "completed"),
        {"monolith": 0, "users": 1},
    )


def test_its_scaling_is_suspended_while_it_is_drained(story):
    assert set(story.drained["scaling"].values()) == {True}


def test_its_size_and_scaling_are_recorded_on_it(story):
    tags = {tag["key"]: tag["value"] for tag in story.drained["tags"]}
    assert tags["split:desired-count"] == "2"
    assert tags["split:scaling"] == "in=0 out=0 scheduled=0"
