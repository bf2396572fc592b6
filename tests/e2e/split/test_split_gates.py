"""
Nine candidates in one run, each with a fault or gates of its own: what the proof and the gates make
of them.
"""

from datetime import UTC, datetime

import pytest

from tests.e2e.configs import edited_config
from tests.e2e.monolith import redeploy_monolith
from tests.e2e.rule_calls import private_rules, secrets, weights

HEADER = "X-Split-Preview"
MONOLITH_DELAY_MS = 100
# What each candidate takes over, and how it differs from a good one with good gates.
CANDIDATES = {
    # Nothing but a body: its status and headers are right.
    "wrong": ("users", "/api/users/1", {"FORUM_WRONG_JSON": "1"}, {}),
    # Right, but three times as slow as the monolith.
    "slow": (
        "users",
        "/api/users/2",
        {"FORUM_DELAY_MS": "300"},
        {"latency_ratio": {"p50": 1.5, "p95": None}},
    ),
    # Right on the preview route and on every probe; a fifth of the users' requests fails.
    "flaky": (
        "posts",
        "/api/posts/in-thread/1",
        {"FORUM_FAIL_SHARE": "0.2", "FORUM_FAIL_UNLESS_HEADER": HEADER},
        {},
    ),
    # Nobody calls these three.
    "waiting": ("threads", "/api/threads/1", {}, {"wait_limit": 2}),
    "synthesized": ("threads", "/api/threads/2", {}, {"too_little_traffic": "synthesize"}),
    "accepted": ("threads", "/api/threads/3", {}, {"too_little_traffic": "accept"}),
    "alarmed": ("users", "/api/users/3", {}, {"alarms": ["forum-5xx"]}),
    "rehearsed": (
        "users",
        "/api/users/4",
        {"FORUM_DELAY_MS": "300"},
        {"dry_run": True, "latency_ratio": {"p50": 1.5, "p95": None}},
    ),
    "different": ("posts", "/api/posts/by-user/1", {"FORUM_WRONG_JSON": "1"}, {}),
}
CALLED = [
    path
    for name, (_, path, _, _) in CANDIDATES.items()
    if name not in ("waiting", "synthesized", "accepted")
]
RETURNED = {"slow", "flaky", "waiting", "alarmed"}
FIRST_WEIGHT = 10
PATHS_FILE = "access.txt"
# As cut from an access log: other services' paths, blank lines, and the same path again and again.
ACCESSED = (
    "/\n/api/posts/by-user/1\n/api/users\n\n/api/posts/by-user/1?page=2\n/api/posts/by-user/1\n"
)


def candidates(config):
    """An edit: the candidates in place of the forum's own services."""
    forum = {service["name"]: service for service in config["services"]}
    config["services"] = []
    for name, (origin, path, environment, gates) in CANDIDATES.items():
        checks = [] if name == "different" else [{"path": path, "json_subset": _right(path)}]
        steps = [{"weight": FIRST_WEIGHT, "bake": 4}, {"weight": 100, "bake": 1}]
        if name == "alarmed":
            steps[0]["bake"] = 30
        config["services"].append(
            {
                "name": name,
                "path_patterns": [path],
                "build": forum[origin]["build"],
                "environment": environment,
                "deregistration_delay": 1,
                "checks": checks,
                "parity": {"paths_file": PATHS_FILE} if name == "different" else {"paths": [path]},
                "traffic": {
                    "shift": {"strategy": "steps", "list": steps},
                    "gates": {**config["traffic"]["gates"], "too_little_traffic": "wait", **gates},
                },
            }
        )
        config["services"][-1]["parity"]["allow_differences"] = name in ("different", "wrong")
    config["max_parallel"] = len(CANDIDATES)
    config["monolith"] |= {"drain": "never", "default_action": {"action": "keep"}}


def _right(path):
    if "users" in path:
        return {"id": int(path[-1])}
    return {"id": int(path[-1])} if "threads" in path else [{"user": 3}]


class Story:
    """What happened in the run."""

    def __init__(self, sandbox, config, start_run, start_client):
        self.sandbox = sandbox
        redeploy_monolith(sandbox, FORUM_DELAY_MS=str(MONOLITH_DELAY_MS))
        cloudwatch = sandbox.boto("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName="forum-5xx",
            Namespace="Forum",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )
        self.client = start_client(sandbox, *CALLED, rate=40)
        self.victims = start_client(sandbox, CANDIDATES["flaky"][1], rate=40)
        self.run = start_run(config)
        self.run.wait_while_running(lambda: self.weights("alarmed"))
        cloudwatch.put_metric_data(
            Namespace="Forum", MetricData=[{"MetricName": "Errors", "Value": 5}]
        )
        self.run.wait()
        self.answers = [*self.client.answers(), *self.victims.answers()]
        self.client.end()
        self.victims.end()

    def stage(self, name):
        """Where the service ended."""
        return self.run.outcome["services"][name]["stage"]

    def weights(self, name):
        """(seconds since the epoch, percent) of every weight that the service was given."""
        return list(weights(self.sandbox, name))

    def verdicts(self, name, verdict, **numbers):
        """The verdicts about a service of that kind that rest on these numbers; oldest first."""
        return [
            event
            for event in self.run.events(kind="verdict", service=name, verdict=verdict)
            if numbers.items() <= event["numbers"].items()
        ]

    def requests(self, name):
        """What users asked for of a service's path, and got."""
        return [answer for answer in self.answers if answer["path"] == CANDIDATES[name][1]]


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    (module_directory / PATHS_FILE).write_text(ACCESSED)
    config = edited_config(sandbox, module_directory, candidates)
    return Story(sandbox, config, start_module_run, start_module_client)


def failed(answer):
    return answer["status"] == 0 or answer["status"] >= 500


def test_the_run_fails_because_some_candidates_did(story):
    assert story.run.ended == (1, "failed"), story.run.log


def test_candidates_that_are_right_settle_beside_those_that_are_not(story):
    settled = {name for name in CANDIDATES if story.stage(name) == "settled"}
    assert settled == set(CANDIDATES) - RETURNED - {"wrong"}, story.run.log


def test_no_user_request_reaches_a_candidate_that_answers_wrong_json(story):
    assert {answer["backend"] for answer in story.requests("wrong")} == {"monolith"}


def test_a_candidate_that_answers_wrong_json_is_never_given_weight(story):
    assert [weight for _, weight in story.weights("wrong") if weight] == []


def test_the_wrong_answer_is_shown_with_its_place(story):
    assert "/id is missing, expected 1" in story.run.outcome["error"]


def test_the_load_balancer_sent_a_wrong_candidate_the_tools_requests_alone(story):
    users = len(story.requests("wrong"))
    # Two responses at most each time, for three seconds.
    assert 0 < requests_of(story.sandbox, "wrong") < 50 < users


def requests_of(sandbox, name):
    """RequestCount of a service's target group, in the last ten minutes."""
    elb = sandbox.boto("elbv2")
    (group,) = elb.describe_target_groups(Names=[f"{name}-tg"])["TargetGroups"]
    now = datetime.now(UTC).timestamp() // 60 * 60
    dimensions = {
        "TargetGroup": group["TargetGroupArn"].rpartition(":")[2],
        "LoadBalancer": group["LoadBalancerArns"][0].partition("loadbalancer/")[2],
    }
    points = sandbox.boto("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApplicationELB",
        MetricName="RequestCount",
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.fromtimestamp(now - 600, UTC),
        EndTime=datetime.fromtimestamp(now + 60, UTC),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


@pytest.mark.parametrize("name", sorted(RETURNED))
def test_a_breach_returns_all_traffic_from_the_first_step(story, name):
    assert [weight for _, weight in story.weights(name)] == [FIRST_WEIGHT, 0], story.run.log


@pytest.mark.parametrize("name", sorted(RETURNED))
def test_the_monolith_has_everything_again_within_5_seconds_of_the_breach(story, name):
    (returned,) = [at for at, weight in story.weights(name) if weight == 0]
    breach = story.verdicts(name, "inconclusive" if name == "waiting" else "fail")[0]
    assert 0 <= returned - breach["at"] <= 5


@pytest.mark.parametrize("name", sorted(RETURNED))
def test_after_its_return_no_user_reaches_a_candidate(story, name):
    (returned,) = [at for at, weight in story.weights(name) if weight == 0]
    # What was under way when the rule changed may still come from it.
    late = {answer["backend"] for answer in story.requests(name) if answer["t"] > returned + 0.5}
    assert late <= {"monolith"}


def test_a_slow_candidate_is_returned_by_the_latency_gate(story):
    verdicts = story.verdicts("slow", "fail", gate="latency p50", limit=1.5)
    # CloudWatch and the probes may both have enough by then.
    assert 1 <= len(verdicts) <= 2
    assert min(verdict["numbers"]["service"] for verdict in verdicts) >= 0.3


def test_a_slow_candidate_fails_no_user(story):
    assert [answer for answer in story.requests("slow") if failed(answer)] == []


def test_a_candidate_that_fails_users_alone_is_returned_by_the_load_balancers_metrics(story):
    assert story.verdicts("flaky", "fail", gate="errors", source="cloudwatch", limit=0.01)


def test_its_probes_saw_nothing_wrong(story):
    assert story.verdicts("flaky", "fail", source="probes") == []


def test_it_fails_at_most_the_first_steps_share_of_its_users(story):
    (began, _), (returned, _) = story.weights("flaky")
    asked = [answer for answer in story.requests("flaky") if began <= answer["t"] <= returned]
    lost = [answer for answer in story.requests("flaky") if failed(answer)]
    # Often none: the tool's own requests on the public path meet the failures as soon as users do.
    assert len(lost) <= len(asked) * FIRST_WEIGHT / 100


def test_nobody_else_sees_a_failed_request(story):
    flaky = CANDIDATES["flaky"][1]
    assert [answer for answer in story.answers if failed(answer) and answer["path"] != flaky] == []


def test_too_little_traffic_ends_inconclusive_where_it_is_waited_for(story):
    assert story.verdicts("waiting", "fail") == []
    assert story.verdicts("waiting", "inconclusive", gate="errors", source="cloudwatch")


def test_the_tools_own_requests_are_not_taken_for_traffic(story):
    (verdict,) = story.verdicts("waiting", "inconclusive", gate="errors", source="cloudwatch")
    assert verdict["numbers"]["requests"] <= 3


def test_traffic_that_was_made_gives_a_verdict(story):
    assert story.verdicts("synthesized", "inconclusive") == []


def test_too_little_traffic_is_recorded_where_it_is_accepted(story):
    assert story.verdicts("accepted", "inconclusive", source="cloudwatch")


def test_an_alarm_returns_the_traffic(story):
    (verdict,) = story.verdicts("alarmed", "fail", gate="alarm forum-5xx")
    assert verdict["numbers"]["state"] == "ALARM"


def test_an_alarm_fails_no_user(story):
    assert [answer for answer in story.requests("alarmed") if failed(answer)] == []


def test_a_dry_run_reports_its_verdicts(story):
    assert story.verdicts("rehearsed", "fail", gate="latency p50")


def test_a_dry_run_goes_on_to_the_last_step(story):
    assert [weight for _, weight in story.weights("rehearsed")] == [FIRST_WEIGHT, 100]


def test_differences_that_are_allowed_are_recorded(story):
    checks = [event["numbers"] for event in story.run.events(kind="check", service="different")]
    (parity,) = [numbers for numbers in checks if "compared" in numbers]
    assert (parity["compared"], parity["matched"]) == (2, 0)


def test_both_sides_of_an_allowed_difference_are_in_the_report(story):
    report = (story.run.directory / "split-report.html").read_text()
    assert all(side in report for side in ("monolith:", "candidate:", "&#34;wrong&#34;:"))


def test_no_private_rule_is_left(story):
    assert private_rules(story.sandbox) == []


def test_every_service_has_a_secret_of_its_own(story):
    assert len(secrets(story.sandbox)) == len(CANDIDATES)
