"""What a gate reads of a target group, held against what a load balancer at work was asked."""

import time

import pytest

from config.aws import AwsConfig
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests, read_window
from tests.integration.sandbox.elbv2.sandbox_alb import eventually, forward, served_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served_site(tmp_path_factory.mktemp("alb")) as served:
        yield served


class Measured:
    """A listener with one target, and the product's view of it."""

    def __init__(self, site, directory):
        credentials = directory / "credentials"
        credentials.write_text(
            "[default]\naws_access_key_id = AKIAREHEARSAL\naws_secret_access_key = rehearsal\n"
        )
        self.aws = AwsConfig(
            region="us-east-1", endpoint_url=site.endpoint_url, shared_credentials_file=credentials
        )
        self.target = site.run_target()
        self.group = site.group(self.target, often=True)
        self.listener = site.serve(forward({self.group: 1}))
        eventually(lambda: self.listener.status() == 200)
        # What was asked until now is in periods of its own.
        self.asked, self.since = 0, int(time.time()) + 1
        eventually(lambda: time.time() >= self.since)

    def ask(self, path, times=1):
        """Ask so many times; returns the last status."""
        self.asked += times
        return [self.listener.status(path) for _ in range(times)][-1]

    def window(self):
        """
        The window of everything since the beginning, once it holds all requests that were asked.
        """
        return eventually(self._complete)

    def _complete(self):
        ref = TargetGroupRef.of(self.listener.load_balancer, self.group)
        window = read_window(self.aws, ref, self.since, time.time() + 1, 1)
        return window if window.requests >= self.asked else None


@pytest.fixture
def measured(site, tmp_path):
    return Measured(site, tmp_path)


def test_good_answers_are_requests_that_did_not_fail(measured):
    measured.ask("/", 20)
    assert (measured.window().requests, measured.window().failed) == (measured.asked, 0)


def test_a_4xx_is_no_failure(measured):
    measured.ask("/status/404", 5)
    assert measured.window().failed == 0


def test_responses_are_counted_by_the_class_of_their_status(measured):
    measured.ask("/", 4)
    measured.ask("/status/302", 3)
    measured.ask("/status/404", 2)
    window = measured.window()
    assert [window.of_class(family) for family in (2, 3, 4)] == [4, 3, 2]


def test_a_connection_that_the_target_refuses_is_counted_for_its_group(measured):
    measured.target.close()
    assert measured.ask("/") == 502
    window = measured.window()
    assert (window.failed, window.connection_errors) == (1, 1)


def test_a_5xx_of_a_target_is_a_failure(measured):
    measured.ask("/status/500", 3)
    measured.ask("/status/503", 2)
    assert measured.window().failed == 5


def test_a_request_that_the_target_drops_is_a_failure(measured):
    assert measured.ask("/hang-up", 4) == 502
    assert measured.window().failed == 4


def test_failures_of_another_group_do_not_count(site, measured):
    target = site.run_target("other")
    other = site.group(target, often=True)
    paths = {"Values": ["/other", "/hang-up/other"]}
    pattern = {"Field": "path-pattern", "PathPatternConfig": paths}
    measured.listener.rule(1, [pattern], forward({other: 1}))
    # Only once the rule is in force: until then, the measured group gets these paths as well.
    eventually(lambda: measured.listener.text("/other") == "other")
    assert measured.listener.status("/hang-up/other") == 502
    measured.ask("/", 3)
    assert measured.window().failed == 0


def test_latency_is_the_targets(measured):
    measured.target.delay = 0.2
    measured.ask("/", 10)
    measured.target.delay = 0.0
    window = measured.window()
    assert window.p95 == pytest.approx(0.2, abs=0.1)


def test_requests_are_counted_alone_as_well(measured):
    measured.ask("/", 7)
    measured.window()
    ref = TargetGroupRef.of(measured.listener.load_balancer, measured.group)
    assert count_requests(measured.aws, ref, measured.since, time.time() + 1, 1) == measured.asked


def test_a_span_that_has_not_begun_is_empty(measured):
    ref = TargetGroupRef.of(measured.listener.load_balancer, measured.group)
    ahead = time.time() // 60 * 60 + 120
    assert read_window(measured.aws, ref, ahead, ahead, 60).requests == 0
