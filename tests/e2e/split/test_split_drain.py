"""
What prevents a drain, and what brings the monolith back: runs on one AWS, each test is one property
of one.

`users` settles in the first run, so that every run after it is about the drain alone.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.account import read_account
from tests.e2e.configs import edited_config, hasten_drain, only, quick

STRAY, LEGACY = "/api/threads/2", "/legacy/1"


def keep(config):
    """An edit: what no service takes stays with the monolith."""
    config["monolith"]["default_action"] = {"action": "keep"}


def approve(config):
    """An edit: the drain needs an approval, and waits for it for a moment."""
    config["monolith"] |= {"drain": "approve", "approval_timeout": 2}


def patient(config):
    """An edit: a quiet period that is long enough to be disturbed."""
    config["monolith"]["quiet_period"] = 2


class Story:
    """The runs in their order, and what each of them changed for good."""

    def __init__(self, sandbox, directory, start_run, start_client):
        self.sandbox = sandbox
        self.runs = {}
        self.differences = {}
        self._directory = directory
        self._start = start_run
        self._client = start_client
        hasten_drain(sandbox)
        client = start_client(sandbox, STRAY, rate=2)
        self._run("kept", keep)
        self.kept_counts = aws_state.desired_counts(sandbox)
        self._run("kept again", keep)
        client.end()
        self._scenario("not approved", approve)
        self._scenario("disturbed", patient, meanwhile=self._disturb)
        self._scenario("broken afterwards", meanwhile=self._break)
        self._run("drained")
        self.drained = {
            "counts": aws_state.desired_counts(sandbox),
            "tags": aws_state.read_services(sandbox)["monolith"]["tags"],
            "scaling": read_account(sandbox)["scaling"][0]["SuspendedState"],
        }
        self._remove_record()
        config = edited_config(sandbox, directory, only("users"), quick)
        self.plan_without_record = start_run(config, "--plan")
        self.plan_without_record.wait()
        self.status_without_record = start_run(config, module="flows.status")
        self.status_without_record.wait()

    def _remove_record(self):
        """Somebody removes every tag by which a rollback knows what to restore."""
        ecs, elb = self.sandbox.boto("ecs"), self.sandbox.boto("elbv2")
        monolith = aws_state.read_services(self.sandbox)["monolith"]
        keys = [tag["key"] for tag in monolith["tags"]]
        ecs.untag_resource(resourceArn=monolith["serviceArn"], tagKeys=keys)
        for rule in aws_state.path_rules(self.sandbox):
            keys = [key for key in rule["Tags"] if key.startswith("split:monolith")]
            elb.remove_tags(ResourceArns=[rule["RuleArn"]], TagKeys=keys)

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
        """While it waits for quiet, an operator adds a rule to the monolith, and users follow."""
        # Its users call all the time, so that the rule alone decides when the quiet ends.
        client = self._client(self.sandbox, LEGACY, rate=2)
        run.wait_for_log("waiting until monolith has had no request")
        elb = self.sandbox.boto("elbv2")
        group = aws_state.target_group_arns(self.sandbox)["forum-monolith-tg"]
        made = elb.create_rule(
            ListenerArn=aws_state.listener_arn(self.sandbox),
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/legacy*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        run.wait()
        client.end()
        elb.delete_rule(RuleArn=made["Rules"][0]["RuleArn"])

    def _break(self, run):
        """When the monolith is scaled down, an operator breaks the rule of a service."""
        run.wait_while_running(lambda: aws_state.desired_counts(self.sandbox)["monolith"] == 0)
        elb = self.sandbox.boto("elbv2")
        (rule,) = aws_state.path_rules(self.sandbox)
        broken = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[broken])
        run.wait()
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=rule["Actions"])


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    return Story(start_module_sandbox(), module_directory, start_module_run, start_module_client)


def test_a_monolith_that_keeps_paths_is_not_drained(story):
    kept = story.runs["kept"]
    assert (kept.ended, story.kept_counts["monolith"]) == ((0, "completed"), 2), kept.log


@pytest.mark.parametrize("run", ["kept", "kept again"])
@pytest.mark.parametrize(
    "text",
    [
        (
            "monolith is not drained: rule 99 (/api*) sends requests to it, and "
            "monolith.default_action is keep"
        ),
        f"requests for {STRAY} (",
        f"| GET {STRAY} 200",
    ],
)
def test_the_rule_and_the_unowned_path_that_prevent_the_drain_are_named(story, run, text):
    (event,) = story.runs[run].events(kind="drain")
    assert text in event["text"]


def test_without_an_approval_the_run_fails(story):
    run = story.runs["not approved"]
    assert run.ended == (1, "failed"), run.log
    assert "monolith is not drained: approval declined; it still serves" in run.outcome["error"]


def test_a_monolith_that_gets_requests_is_not_drained(story):
    run = story.runs["disturbed"]
    assert run.ended == (1, "failed"), run.log


@pytest.mark.parametrize(
    "text", ["monolith is not idle", "rule 1 (/legacy*) on port", f"requests for {LEGACY} ("]
)
def test_what_disturbs_the_quiet_is_named(story, text):
    assert text in story.runs["disturbed"].outcome["error"]


def test_a_check_that_fails_after_the_drain_fails_the_run(story):
    run = story.runs["broken afterwards"]
    assert run.ended == (1, "failed"), run.log
    assert "users: checks failed on the public route" in run.outcome["error"]


def test_a_monolith_that_was_scaled_down_comes_back(story):
    events = story.runs["broken afterwards"].events(kind="drain")
    (restored,) = [event for event in events if event["text"].startswith("restoring monolith")]
    assert restored["numbers"] == {"desired_count": 2}
    assert "users: checks failed on the public route" in restored["text"]


@pytest.mark.parametrize("run", ["not approved", "disturbed", "broken afterwards"])
def test_rules_size_and_scaling_are_as_before(story, run):
    assert story.differences[run] == [], story.runs[run].log


def test_the_next_run_drains_the_monolith(story):
    assert story.runs["drained"].ended == (0, "completed"), story.runs["drained"].log
    assert story.drained["counts"] == {"monolith": 0, "users": 1}


def test_its_scaling_is_suspended_while_it_is_drained(story):
    assert set(story.drained["scaling"].values()) == {True}


def test_its_size_and_scaling_are_recorded_on_it(story):
    tags = {tag["key"]: tag["value"] for tag in story.drained["tags"]}
    assert tags["split:desired-count"] == "2"
    assert tags["split:scaling"] == "in=0 out=0 scheduled=0"


def test_a_drained_monolith_without_a_record_is_not_nothing_to_do(story):
    run = story.plan_without_record
    assert run.ended == (2, "refused"), run.log
    assert "monolith has desired count 0, and no tag records the size" in run.outcome["error"]
    assert "`aws ecs tag-resource --resource-arn" in run.outcome["error"]


def test_the_status_of_a_drained_monolith_without_a_record_has_the_remedy(story):
    drift = story.status_without_record.outcome["drift"]
    (row,) = [row for row in drift if row["service"] == "monolith"]
    assert (row["resource"], row["action"]) == ("ECS service", "conflict")
    assert "`aws ecs tag-resource --resource-arn" in row["details"]
