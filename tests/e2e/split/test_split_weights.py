"""
The share of requests at each weight; and the private rules of a run that is interrupted, of one
that is killed, and of the next.
"""

import signal
from itertools import pairwise

import pytest

from tests.e2e.configs import edited_config, only
from tests.e2e.rule_calls import created_rules, private_rules, secrets, weights

PATH = "/api/users/1"
RATE = 300
# With 2,000 requests at each weight to spare.
BAKE = 9
# A rule that was just written is not read by the load balancer at once.
SETTLE = 0.5


def steps_that_users_can_see(config):
    """
    An edit: at each weight long enough for thousands of requests; no header names the backend.
    """
    steps = [{"weight": 10, "bake": BAKE}, {"weight": 50, "bake": BAKE}, {"weight": 100, "bake": 0}]
    config["traffic"]["shift"] = {"strategy": "steps", "list": steps}
    config["traffic"]["gates"] |= {
        "too_little_traffic": "wait",
        "source": "cloudwatch",
        "latency_floor": 1.0,
    }
    config["listener"] = {}
    config["monolith"] |= {"drain": "never", "default_action": {"action": "keep"}}


class Story:
    """A run that is interrupted, what a killed one would have left behind, and a run to the end."""

    def __init__(self, sandbox, config, start_run, start_client):
        self.sandbox = sandbox
        self.config = config
        self._start = start_run
        self.client = start_client(sandbox, PATH, rate=RATE)
        self.interrupted = self._interrupted()
        self.left = private_rules(sandbox)
        self.first_secrets = secrets(sandbox)
        self._leave_a_private_rule_behind()
        self.run = start_run(config)
        self.run.wait()
        self.answers = self.client.answers()
        self.totals = self.client.end()

    def _interrupted(self):
        run = self._start(self.config)
        run.wait_while_running(lambda: list(weights(self.sandbox, "users")))
        run.signal(signal.SIGTERM)
        run.wait()
        return run

    def _leave_a_private_rule_behind(self):
        """As it was created for the run before, with the secret of that run."""
        (made,) = created_rules(self.sandbox, "preview")
        elb = self.sandbox.boto("elbv2")
        (group,) = elb.describe_target_groups(Names=["users-tg"])["TargetGroups"]
        header = {
            "HttpHeaderName": "X-Split-Preview",
            "Values": [f"{self.first_secrets[0]}.preview"],
        }
        elb.create_rule(
            ListenerArn=made["ListenerArn"],
            Priority=int(made["Priority"]),
            Conditions=[
                {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/users*"]}},
                {"Field": "http-header", "HttpHeaderConfig": header},
            ],
            Actions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
            Tags=[
                {
                    "Key": made[f"Tags.member.{place}.Key"],
                    "Value": made[f"Tags.member.{place}.Value"],
                }
                for place in range(1, 6)
            ],
        )

    def share_at(self, weight):
        """
        Percent of the users' requests that the service answered at a weight of the last run, and of
        how many.
        """
        changes = list(pairwise(weights(self.sandbox, "users")))
        began, ended = next(
            (one, other) for (one, given), (other, _) in reversed(changes) if given == weight
        )
        seen = [
            answer["backend"] for answer in self.answers if began + SETTLE < answer["t"] < ended
        ]
        return 100 * seen.count("users") / len(seen), len(seen)


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, only("users"), steps_that_users_can_see)
    return Story(sandbox, config, start_module_run, start_module_client)


def test_the_run_settles_the_service(story):
    assert story.run.ended == (0, "completed"), story.run.log
    assert story.run.outcome["services"]["users"]["weight"] == 100


@pytest.mark.parametrize("weight", [10, 50])
def test_at_each_weight_more_than_2000_requests_are_split_within_3_points(story, weight):
    share, requests = story.share_at(weight)
    assert requests >= 2000
    assert abs(share - weight) <= 3


def test_no_user_sees_a_failed_request(story):
    assert story.totals["failed"] == 0


def test_without_a_header_the_load_balancers_counts_show_the_split(story):
    checks = story.run.events(kind="check", service="users", verdict="pass")
    rates = [check for check in checks if check["numbers"].get("unit") == "requests/s"]
    assert [check["weight"] for check in rates] == [10, 50, 100]


def test_a_run_that_is_interrupted_returns_its_traffic(story):
    assert [weight for _, weight in weights(story.sandbox, "users")] == [10, 0, 10, 50, 100]


def test_a_run_that_is_interrupted_leaves_no_private_rule(story):
    assert (story.interrupted.process.returncode, story.left) == (1, [])


def test_each_run_has_a_secret_of_its_own(story):
    first, *others = secrets(story.sandbox)
    assert [first] == story.first_secrets
    assert [secret for secret in others if secret != first]


def test_a_private_rule_of_a_killed_run_goes_with_the_next(story):
    assert private_rules(story.sandbox) == []
