"""
Proofs that would be void: a proxy drops the header of the preview route, and another rule takes its
requests. In both the monolith would answer for a wrong service, and every check would pass.
"""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.e2e import aws_state
from tests.e2e.account import read_account
from tests.e2e.configs import edited_config, only, quick
from tests.e2e.rule_calls import weights

PATH = "/api/users/1"
HEADER = "X-Split-Preview"


def wrong_service(config):
    """An edit: users answers with another body than the monolith, and no header names a backend."""
    (service,) = config["services"]
    service["environment"] = {"FORUM_WRONG_JSON": "1"}
    for check in service["checks"]:
        check.pop("headers", None)
    config["listener"] = {"rule_timeout": 2}
    config["monolith"] |= {"drain": "never", "default_action": {"action": "keep"}}


def through(url):
    """An edit: the tool's own requests go through another URL."""

    def edit(config):
        config["listener"]["url"] = url

    return edit


def direct(url):
    """An edit: they have the host of a URL that leads nowhere, and go to the load balancer."""

    def edit(config):
        config["listener"] |= {"url": url, "direct": True}

    return edit


class Stripping(BaseHTTPRequestHandler):
    """Hands requests on without the header, as CloudFront does by default."""

    def do_GET(self):
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=10)
        headers = {name: value for name, value in self.headers.items() if name != HEADER}
        upstream.request("GET", self.path, headers=headers)
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"] or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def stripping_proxy(alb_url):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stripping)
    server.upstream = urlsplit(alb_url).netloc
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Story:
    """A run behind the proxy, then one whose preview requests another rule takes."""

    def __init__(self, sandbox, directory, start_run, start_client):
        self.sandbox = sandbox
        self._directory = directory
        self._start = start_run
        client = start_client(sandbox, PATH)
        before = read_account(sandbox)
        self.stripped = self._behind_the_proxy()
        self.is_untouched = read_account(sandbox) == before
        self.shadowed = self._with_a_rule_in_front()
        self.answers = client.answers()
        self.traffic = client.end()

    def _behind_the_proxy(self):
        with stripping_proxy(self.sandbox.state["alb_url"]) as url:
            config = edited_config(
                self.sandbox, self._directory, only("users"), quick, wrong_service, through(url)
            )
            run = self._start(config)
            run.wait()
        return run

    def _with_a_rule_in_front(self):
        """Both routes have been proven when their rules are changed to forward."""
        port = urlsplit(self.sandbox.state["alb_url"]).port
        url = f"http://shop.test:{port}"
        config = edited_config(
            self.sandbox, self._directory, only("users"), quick, wrong_service, direct(url)
        )
        self.sandbox.faults("hold=ModifyRule:2")
        run = self._start(config)
        run.wait_while_running(self.sandbox.is_holding)
        self._take_the_requests()
        self.sandbox.faults("")
        run.wait()
        return run

    def _take_the_requests(self):
        elb = self.sandbox.boto("elbv2")
        (group,) = elb.describe_target_groups(Names=["forum-monolith-tg"])["TargetGroups"]
        elb.create_rule(
            ListenerArn=aws_state.listener_arn(self.sandbox),
            Priority=1,
            Conditions=[
                {
                    "Field": "http-header",
                    "HttpHeaderConfig": {"HttpHeaderName": HEADER, "Values": ["*"]},
                }
            ],
            Actions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
        )


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox()
    return Story(sandbox, module_directory, start_module_run, start_module_client)


def test_a_proxy_that_drops_the_header_is_refused_before_anything_is_created(story):
    assert story.stripped.ended == (2, "refused"), story.stripped.log
    assert story.is_untouched


def test_the_refusal_names_the_header_and_the_load_balancers_own_url(story):
    error = story.stripped.outcome["error"]
    texts = ("listener.url", HEADER, "CloudFront", story.sandbox.state["alb_url"])
    assert [text for text in texts if text not in error] == []


def test_a_service_that_is_never_asked_fails_by_name(story):
    assert story.shadowed.ended == (1, "failed"), story.shadowed.log
    (failed,) = story.shadowed.events(kind="check", service="users", verdict="fail")
    assert "users-tg counted 0" in failed["text"]


def test_neither_service_gets_a_user(story):
    assert list(weights(story.sandbox, "users")) == []
    assert {answer["backend"] for answer in story.answers} == {"monolith"}
    assert story.traffic["failed"] == 0


def test_no_private_rule_is_left(story):
    assert aws_state.private_rules(story.sandbox) == []
