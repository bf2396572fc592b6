"""
Rules that are not as the tool left them, or that it does not understand: each run names them, and
no user's request goes to the wrong service.

One AWS, one run after the other: a sticky group of the monolith, a split beside somebody else's
rule with a regular expression, and runs after a rule was edited by hand.
"""

import urllib.error
import urllib.request

import pytest

from tests.e2e import aws_state
from tests.e2e.account import read_account
from tests.e2e.configs import edited_config, hasten_drain, only, quick

# The first test waits for all runs.
pytestmark = pytest.mark.timeout(600)

USER = "/api/users/1"
INVOICE = "/api/users/1/invoice"
REGEX = "^/api/users/[0-9]+/invoice$"
METHOD = {
    "Field": "http-request-method",
    "HttpRequestMethodConfig": {"Values": ["GET"]},
}


def post(sandbox, path):
    """The response to a POST of a user's, whatever its status."""
    request = urllib.request.Request(f"{sandbox.state['alb_url']}{path}", b"{}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response
    except urllib.error.HTTPError as error:
        return error


class Story:
    """The runs in their order, with what AWS holds and users got in between."""

    def __init__(self, sandbox, config, start_run, start_client):
        self.sandbox = sandbox
        self.elb = sandbox.boto("elbv2")
        self.runs = {}
        self.differences = {}
        self._config = config
        self._start = start_run
        hasten_drain(sandbox)
        client = start_client(sandbox, USER)
        before = read_account(sandbox)
        self._stick("true")
        self._run("sticky", "flows.split")
        self._stick("false")
        self.differences["sticky"] = aws_state.differences(read_account(sandbox), before)
        self._invoices()
        self._run("beside a regex", "flows.split", "--no-drain")
        self.invoice = sandbox.get(INVOICE)
        self.user = sandbox.get(USER)
        self._edit()
        before = read_account(sandbox)
        self._run("status", "flows.status")
        self._run("plan", "flows.split", "--plan")
        self._run("edited", "flows.split")
        self.posted = post(sandbox, USER)
        self.differences["edited"] = aws_state.differences(read_account(sandbox), before)
        self.traffic = client.end()

    def _run(self, name, module, *arguments):
        self.runs[name] = run = self._start(self._config, *arguments, module=module)
        run.wait()

    def _stick(self, enabled):
        """An operator switches the stickiness of the monolith's target group."""
        arn = aws_state.target_group_arns(self.sandbox)["forum-monolith-tg"]
        attributes = {"stickiness.enabled": enabled, "stickiness.type": "lb_cookie"}
        self.elb.modify_target_group_attributes(
            TargetGroupArn=arn,
            Attributes=[{"Key": key, "Value": attributes[key]} for key in attributes],
        )

    def _invoices(self):
        """Another team's rule, which takes invoices wherever they are."""
        invoices = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": [REGEX]}}
        response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "invoice"}
        self.elb.create_rule(
            ListenerArn=aws_state.listener_arn(self.sandbox),
            Priority=10,
            Conditions=[invoices],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": response}],
        )

    def _edit(self):
        """An operator lets the rule of users take GET only."""
        (rule,) = aws_state.path_rules(self.sandbox)
        paths = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/users*"]}}
        self.elb.modify_rule(RuleArn=rule["RuleArn"], Conditions=[paths, METHOD])


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, only("users"), quick)
    return Story(sandbox, config, start_module_run, start_module_client)


def test_a_sticky_group_of_the_monolith_is_refused_by_name(story):
    sticky = story.runs["sticky"]
    assert sticky.ended == (2, "refused"), sticky.log
    assert "forum-monolith-tg is sticky" in sticky.outcome["error"]
    assert "aws elbv2 modify-target-group-attributes" in sticky.outcome["error"]


@pytest.mark.parametrize("run", ["sticky", "edited"])
def test_a_refused_run_changes_nothing(story, run):
    assert story.differences[run] == []


def test_a_split_beside_a_regex_rule_settles(story):
    run = story.runs["beside a regex"]
    assert run.ended == (0, "completed"), run.log


def test_the_regex_rule_is_named_before_anything_is_changed(story):
    notes = [event["text"] for event in story.runs["beside a regex"].events(kind="note")]
    assert [note for note in notes if f"rule 10 (path-pattern regex {REGEX})" in note]


def test_somebody_else_s_regex_rule_keeps_its_requests(story):
    assert (story.invoice[2], story.user[1]["X-Served-By"]) == (b"invoice", "users")


def test_status_names_the_edited_rule_and_the_edit(story):
    (row,) = story.runs["status"].outcome["drift"]
    assert (row["service"], row["resource"], row["action"]) == (
        "users",
        "listener rule",
        "conflict",
    )
    assert "condition http-request-method GET" in row["details"]


@pytest.mark.parametrize("run", ["plan", "edited"])
def test_plan_and_run_are_refused_for_the_edited_rule(story, run):
    found = story.runs[run]
    assert found.ended == (2, "refused"), found.log
    assert "condition http-request-method GET" in found.outcome["error"]


def test_the_monolith_is_not_drained(story):
    assert aws_state.desired_counts(story.sandbox)["monolith"] == 2


def test_no_user_saw_a_failure(story):
    assert story.traffic["failed"] == 0


def test_a_post_is_answered_by_the_monolith_and_not_by_another_service(story):
    assert story.posted.headers["X-Served-By"] == "monolith"
