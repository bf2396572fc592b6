"""A served AWS with load balancers at work, targets that answer, and a client that never pauses."""

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from moto.elbv2.models import elbv2_backends

from sandbox.addresses import Addresses
from sandbox.api.faults import Faults, Plan
from sandbox.api.internal import ACCOUNT, REGION
from sandbox.elbv2.data_plane.load_balancers import LoadBalancers
from tests.integration.sandbox.served import served
from tests.integration.sandbox.strictness import Aws

PORT = 8080
QUICK = {
    "HealthCheckIntervalSeconds": 5,
    "HealthCheckTimeoutSeconds": 2,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
    "HealthCheckPath": "/health",
}


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        target = self.server.target
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path == "/health":
            target.checked.set()
            target.may_pass_checks.wait(30)
            self.reply(target.health, b"")
        elif self.path.startswith("/slow"):
            target.in_flight.set()
            target.may_finish.wait(30)
            self.reply(200, target.name.encode())
        elif self.path.startswith("/hang-up"):
            self.close_connection = True
        elif self.path.startswith("/garbage"):
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif self.path.startswith("/status/"):
            self.reply(int(self.path.removeprefix("/status/")), b"")
        elif self.path.startswith("/headers/"):
            size = int(self.path.removeprefix("/headers/"))
            self.send_response_only(200)
            for number in range(size // 1000):
                self.send_header(f"X-{number}", "x" * 990)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.startswith("/echo"):
            self.reply(200, f"{self.requestline}\n{self.headers}".encode() + body)
        else:
            time.sleep(target.delay)  # a slow target: the delay is what is tested
            self.reply(200, target.name.encode())
            # Without "Connection: close", as a target does when its keep-alive timeout is over.
            self.close_connection = target.closes_silently

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815 - http.server looks for these

    def reply(self, status, body):
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = set()
        self.accepted = 0

    def process_request(self, request, client_address):
        self.accepted += 1
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self):
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_):
        """Ignore clients that have hung up."""


class RunningTarget:
    """A real HTTP server on a loopback address of its own."""

    def __init__(self, address, name, port=PORT):
        self.name, self.address = name, address
        self.health, self.delay, self.closes_silently = 200, 0.0, False
        self.checked, self.in_flight = threading.Event(), threading.Event()
        self.may_finish, self.may_pass_checks = threading.Event(), threading.Event()
        self.may_pass_checks.set()
        self.server = _Server((address, port), _Answer)
        self.server.target = self
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    def close(self):
        self.may_finish.set()
        self.may_pass_checks.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.server.hang_up()


class Site(Aws):
    """One sandbox's load balancers, and what the tests put behind them."""

    def __init__(self, endpoint_url, addresses, load_balancers, faults):
        super().__init__(endpoint_url)
        self.addresses, self.load_balancers, self.faults = addresses, load_balancers, faults
        self.elb = self.client("elbv2")
        self.running = []
        self.ports = iter(range(9000, 9999))

    def run_target(self, name="target", **settings):
        target = RunningTarget(self.addresses.task(self.addresses.subnets[0]), name, **settings)
        self.running.append(target)
        return target

    def group(self, *targets, often=False, **settings):
        """
        A target group; `often` makes more health checks than AWS allows, so that no test has to
        wait.
        """
        arn = self.target_group(**QUICK | {"Port": PORT} | settings)
        if often:
            made = elbv2_backends[ACCOUNT][REGION].target_groups[arn]
            made.health_check_interval_seconds, made.health_check_timeout_seconds = 0.2, 0.1
        if targets:
            self.register_targets(arn, *targets)
        return arn

    def register_targets(self, arn, *targets):
        self.elb.register_targets(
            TargetGroupArn=arn, Targets=[{"Id": target.address} for target in targets]
        )

    def deregister_targets(self, arn, *targets):
        self.elb.deregister_targets(
            TargetGroupArn=arn, Targets=[{"Id": target.address} for target in targets]
        )

    def set_attribute(self, arn, key, value):
        self.elb.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": key, "Value": value}]
        )

    def health(self, arn, **asked):
        found = self.elb.describe_target_health(TargetGroupArn=arn, **asked)[
            "TargetHealthDescriptions"
        ]
        return {item["Target"]["Id"]: item["TargetHealth"] for item in found}

    def states(self, arn):
        return [health["State"] for health in self.health(arn).values()]

    def serve(self, *actions):
        """A listener on a load balancer of its own, once it answers."""
        listener = Listener(self, next(self.ports), list(actions) or [not_found()])
        listener.wait_until_it_answers()
        return listener

    def close(self):
        for target in self.running:
            target.close()


class Listener:
    """A listener, and requests to it."""

    def __init__(self, site, port, actions):
        self.elb, self.port = site.elb, port
        self.load_balancer = site.load_balancer()
        self.host = self.describe()["DNSName"]
        self.arn = site.listener(self.load_balancer, Port=port, DefaultActions=actions)
        self.label = self.load_balancer.partition("loadbalancer/")[2]

    def describe(self):
        return self.elb.describe_load_balancers(LoadBalancerArns=[self.load_balancer])[
            "LoadBalancers"
        ][0]

    def wait_until_it_answers(self):
        eventually(lambda: self.status("/") != "refused")

    def rule(self, priority, conditions, action):
        made = self.elb.create_rule(
            ListenerArn=self.arn, Priority=priority, Conditions=conditions, Actions=[action]
        )
        return made["Rules"][0]["RuleArn"]

    def ask(self, path="/", method="GET", headers=None, body=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()

    def text(self, path="/", **request):
        return self.ask(path, **request)[1]

    def status(self, path="/", **request):
        try:
            return self.ask(path, **request)[0].status
        except (
            ConnectionRefusedError,
            ConnectionResetError,
        ):  # a reset: it closed with the connection in its queue
            return "refused"

    def count(self, requests, path="/"):
        """Send requests on one connection; count the answers by their text."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        answers = Counter()
        for _ in range(requests):
            connection.request("GET", path)
            answers[connection.getresponse().read().decode()] += 1
        connection.close()
        return answers


class Traffic:
    """Clients that send one request after the other until the block ends."""

    def __init__(self, listener, path="/", method="GET", clients=3, keep_alive=True):
        self.listener, self.path, self.method, self.keep_alive = listener, path, method, keep_alive
        self.answers, self.failures = Counter(), []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        connection = http.client.HTTPConnection(self.listener.host, self.listener.port, timeout=30)
        while not self._ending.is_set():
            try:
                connection.request(
                    self.method, self.path, body=b"x" if self.method == "POST" else None
                )
                response = connection.getresponse()
                text = response.read().decode()
            except (OSError, http.client.HTTPException) as problem:
                self.failures.append(repr(problem))
                connection.close()
                continue
            self.answers[text] += 1
            if response.status != 200:
                self.failures.append(f"{response.status} {text}")
            if not self.keep_alive:
                connection.close()
        connection.close()


def eventually(condition, seconds=10.0):
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)  # between two looks at the condition
    return met


def not_found():
    return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}


def fixed(text):
    return {
        "Type": "fixed-response",
        "FixedResponseConfig": {
            "StatusCode": "200",
            "MessageBody": text,
            "ContentType": "text/plain",
        },
    }


def forward(weights):
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


@contextmanager
def served_site(run_dir, nodes=1):
    faults = Faults(Plan())
    with closing(Addresses()) as addresses:
        load_balancers = LoadBalancers(addresses, run_dir, faults, nodes)
        with (
            served(lambda _: [load_balancers], faults) as url,
            closing(Site(url, addresses, load_balancers, faults)) as site,
        ):
            yield site
