"""
A service that answers 404 where its monolith answers 200, and a service that hardly anybody calls,
beside a monolith that bears 60 requests a second.
"""

import pytest

from tests.e2e.configs import edited_config
from tests.e2e.monolith import redeploy_monolith
from tests.e2e.rule_calls import weights

MISSING = "/api/users/1"
QUIET = "/api/threads/3"
ELSEWHERE = "/api/posts"
FIRST_WEIGHT = 10
# Each of the two tasks.
MAX_RATE = 30
USERS_RATE = 36


def without_proof(config):
    """An edit: no header names a backend, and nothing but users would find the 404s."""
    forum = {service["name"]: service for service in config["services"]}
    gates = config["traffic"]["gates"]
    steps = [{"weight": FIRST_WEIGHT, "bake": 3}, {"weight": 50, "bake": 1}]
    steps.append({"weight": 100, "bake": 1})
    missing = {
        "name": "missing",
        "path_patterns": [MISSING],
        "build": forum["users"]["build"],
        "environment": {"FORUM_FAIL_SHARE": "1", "FORUM_FAIL_STATUS": "404"},
        "traffic": {
            "shift": {"strategy": "steps", "list": steps},
            "gates": {**gates, "too_little_traffic": "wait"},
        },
    }
    quiet = {
        "name": "quiet",
        "path_patterns": [QUIET],
        "build": forum["threads"]["build"],
        "checks": [{"path": QUIET}],
        "parity": {"paths": [QUIET]},
        "traffic": {
            "shift": {"strategy": "steps", "list": steps[1:]},
            "gates": {**gates, "too_little_traffic": "synthesize"},
        },
    }
    config["services"] = [missing, quiet]
    for service in config["services"]:
        service["deregistration_delay"] = 1
    config["listener"] = {}
    # As anybody's: the sandbox's own config has more.
    del config["own_requests"]
    config["monolith"] |= {"drain": "never", "default_action": {"action": "keep"}}


class Story:
    """What happened in the run."""

    def __init__(self, sandbox, config, start_run, start_client):
        self.sandbox = sandbox
        redeploy_monolith(sandbox, FORUM_MAX_RATE=str(MAX_RATE))
        self.client = start_client(sandbox, MISSING, ELSEWHERE, rate=USERS_RATE)
        self.run = start_run(config)
        self.run.wait()
        self.answers = self.client.answers()
        self.client.end()

    def weights(self, name):
        """Every weight that the service was given."""
        return [weight for _, weight in weights(self.sandbox, name)]


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, without_proof)
    return Story(sandbox, config, start_module_run, start_module_client)


def test_404s_to_users_fail_the_run(story):
    assert story.run.ended == (1, "failed"), story.run.log


def test_404s_return_all_traffic_at_the_first_step(story):
    assert story.weights("missing") == [FIRST_WEIGHT, 0], story.run.log


def test_the_message_names_the_404s(story):
    assert "are 4xx, monolith at most" in story.run.outcome["error"]


def test_the_verdict_has_the_class_and_both_shares(story):
    failed = story.run.events(kind="verdict", service="missing", verdict="fail")
    (verdict,) = [event["numbers"] for event in failed]
    assert (verdict["gate"], verdict["class"], verdict["source"]) == (
        "status 4xx",
        "4xx",
        "cloudwatch",
    )
    assert verdict["service"] > verdict["monolith"] + verdict["limit"]


def test_few_users_get_a_404(story):
    asked = [answer for answer in story.answers if answer["path"] == MISSING]
    lost = [answer for answer in asked if answer["status"] == 404]
    assert 0 < len(lost) <= len(asked) * FIRST_WEIGHT / 100


def test_a_quiet_service_settles_without_a_header_that_names_the_backend(story):
    assert story.run.outcome["services"]["quiet"]["stage"] == "settled", story.run.log
    assert story.weights("quiet") == [50, 100]


def test_its_split_is_observed_at_every_weight(story):
    checks = story.run.events(kind="check", service="quiet", verdict="pass")
    rates = [check for check in checks if check["numbers"].get("unit") == "requests/s"]
    assert [check["weight"] for check in rates] == [50, 100]


def test_the_tools_own_requests_do_not_push_the_monolith_over(story):
    """It bears 60 requests a second, and answers 503 to more."""
    assert [answer for answer in story.answers if answer["status"] not in (200, 404)] == []
