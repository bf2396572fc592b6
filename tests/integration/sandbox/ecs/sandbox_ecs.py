"""
A served AWS with ECS and load balancers at work, and an engine that runs small programs as
processes.
"""

import functools
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

from moto.elbv2.models import elbv2_backends

from sandbox.addresses import Addresses
from sandbox.api.faults import Faults, Plan
from sandbox.api.internal import ACCOUNT, REGION
from sandbox.ecs.ecs import Ecs
from sandbox.elbv2.data_plane.load_balancers import LoadBalancers
from sandbox.engine.base import ImageUnavailable
from tests.integration.sandbox.served import served
from tests.integration.sandbox.strictness import Aws

PORT = 3000
DIGEST = "sha256:" + "0" * 64
PROGRAMS = {
    "web": """
import http.server, os, pathlib
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        marker = pathlib.Path(os.environ.get("SICK_FILE", "/dev/null"))
        sick = self.path == "/health" and os.environ["ADDRESS"] in marker.read_text()
        body = os.environ.get(self.path.rpartition("/")[2], "web").encode()
        self.send_response(503 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
print("listening", flush=True)
http.server.ThreadingHTTPServer((os.environ["ADDRESS"], 3000), Answer).serve_forever()
""",
    "crash": "print('no configuration', flush=True); raise SystemExit(3)",
    "sidecar": "import time; time.sleep(0.3)",
    "writer": "for n in range(5000): print('line', n)",
}
PROGRAMS["sick"] = PROGRAMS["web"].replace("sick =", "sick = True or")


class ProcessContainer:
    def __init__(self, spec, address, on_line):
        self.address, self._timeout = address, spec.stop_timeout
        program = PROGRAMS[spec.image.partition(":")[0]]
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *spec.command],
            env={**spec.environment, "ADDRESS": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self._reader.start()

    def _read(self, on_line):
        with self._process.stdout as lines:
            for line in lines:
                on_line(line.rstrip("\n"))

    def exit_code(self):
        return self._process.poll() if not self._reader.is_alive() else None

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.wait()
        self._reader.join()


class ProcessEngine:
    """The engine contract with nothing but a process a container."""

    name, docker_host = "process", ""

    def __init__(self, addresses):
        self._addresses, self.containers, self.specs = addresses, [], []

    def pull(self, image):
        if image.partition(":")[0] not in PROGRAMS:
            raise ImageUnavailable(f"CannotPullContainerError: {image}: not found")
        return DIGEST

    def start(self, spec, on_line):
        container = ProcessContainer(
            spec, self._addresses.task(self._addresses.subnets[0]), on_line
        )
        self.containers.append(container)
        self.specs.append(spec)
        return container

    def close(self):
        for container in self.containers:
            container.stop()


class Cluster(Aws):
    """A cluster `forum` in a network with a load balancer, and short ways to use it."""

    def __init__(self, endpoint_url, engine, faults):
        super().__init__(endpoint_url)
        self.engine, self.faults = engine, faults
        self.ecs, self.elbv2, self.logs = (
            self.client("ecs"),
            self.client("elbv2"),
            self.client("logs"),
        )
        self.ecs.create_cluster(clusterName="forum")
        self.logs.create_log_group(logGroupName="/ecs/forum")

    @functools.cached_property
    def balancer(self):
        return self.load_balancer()

    @functools.cached_property
    def listener(self):
        action = {
            "Type": "fixed-response",
            "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"},
        }
        made = self.elbv2.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=8080, DefaultActions=[action]
        )
        return made["Listeners"][0]["ListenerArn"]

    def network(self):
        return {"awsvpcConfiguration": {"subnets": self.subnets, "assignPublicIp": "DISABLED"}}

    def group(self, *, rule=True, delay=1, often=False, **settings):
        """
        A target group for tasks, with a rule on /NAME/*.

        `often` checks their health more often than AWS allows, so that no test has to wait for it.
        """
        name = self.name("tg")
        group = self.elbv2.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=PORT,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
            **settings,
        )["TargetGroups"][0]["TargetGroupArn"]
        if often:
            made = elbv2_backends[ACCOUNT][REGION].target_groups[group]
            made.health_check_interval_seconds, made.health_check_timeout_seconds = 0.3, 0.2
        attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}]
        self.elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=attributes)
        if rule:
            self.elbv2.create_rule(
                ListenerArn=self.listener,
                Priority=int(name.partition("-")[2]),
                Conditions=[{"Field": "path-pattern", "Values": [f"/{name}/*"]}],
                Actions=[{"Type": "forward", "TargetGroupArn": group}],
            )
        return group

    def definition(self, image="web", **settings):
        """A task definition of one container `app` that runs a program of `PROGRAMS`."""
        container = {
            "name": "app",
            "image": image,
            "essential": True,
            "portMappings": [{"containerPort": PORT}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/forum",
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "ecs",
                },
            },
            **settings,
        }
        return self.register([container])

    def register(self, containers):
        made = self.ecs.register_task_definition(
            family=self.name("family"),
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn="arn:aws:iam::123456789012:role/execution",
            containerDefinitions=containers,
        )
        return made["taskDefinition"]["taskDefinitionArn"]

    def service(self, definition=None, group=None, **settings):
        """A service; returns its name."""
        name = self.name("service")
        if group:
            settings["loadBalancers"] = [
                {"targetGroupArn": group, "containerName": "app", "containerPort": PORT}
            ]
        request = {
            "cluster": "forum",
            "serviceName": name,
            "taskDefinition": definition or self.definition(),
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": self.network(),
            **settings,
        }
        self.ecs.create_service(**request)
        return name

    def read(self, service):
        return self.ecs.describe_services(cluster="forum", services=[service], include=["TAGS"])[
            "services"
        ][0]

    def wait_stable(self, service):
        waiter = self.ecs.get_waiter("services_stable")
        waiter.config.delay, waiter.config.max_attempts = 0.2, 200
        waiter.wait(cluster="forum", services=[service])

    def wait_until(self, question, seconds=30):
        """Ask until the answer is true; returns it."""
        until = time.monotonic() + seconds
        while not (answer := question()):
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.1)  # between two looks at the condition
        return answer

    def wait_completed(self, service):
        return self.wait_until(lambda: self.primary(service)["rolloutState"] == "COMPLETED")

    def primary(self, service):
        return self.read(service)["deployments"][0]

    def tasks(self, service=None, desired="RUNNING", **settings):
        filters = {"serviceName": service} if service else {}
        arns = self.ecs.list_tasks(cluster="forum", desiredStatus=desired, **filters)["taskArns"]
        return (
            self.ecs.describe_tasks(cluster="forum", tasks=arns, **settings)["tasks"]
            if arns
            else []
        )

    def stopped(self, service):
        """The service's tasks that have stopped, as soon as there is one."""
        return self.wait_until(
            lambda: [
                one for one in self.tasks(service, "STOPPED") if one["lastStatus"] == "STOPPED"
            ]
        )

    def events(self, service):
        return [event["message"] for event in self.read(service)["events"]]

    def targets(self, group):
        described = self.elbv2.describe_target_health(TargetGroupArn=group)[
            "TargetHealthDescriptions"
        ]
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in described}

    def lines(self, task):
        stream = f"ecs/app/{task['taskArn'].rpartition('/')[2]}"
        paginator = self.logs.get_paginator("filter_log_events")
        pages = paginator.paginate(logGroupName="/ecs/forum", logStreamNames=[stream])
        return [event["message"] for page in pages for event in page["events"]]

    def url(self, group):
        """Where the load balancer answers for the group."""
        found = self.elbv2.describe_load_balancers(LoadBalancerArns=[self.balancer])[
            "LoadBalancers"
        ][0]
        return f"http://{found['DNSName']}:8080/{group.split('/')[1]}"


@contextmanager
def served_ecs():
    """Run AWS with ECS until the block ends; nothing that it started outlives it."""
    faults = Faults(Plan())
    with (
        tempfile.TemporaryDirectory() as run_dir,
        closing(Addresses()) as addresses,
        closing(ProcessEngine(addresses)) as engine,
    ):

        def parts(url):
            yield LoadBalancers(addresses, Path(run_dir), faults)
            yield Ecs(url, engine, faults)

        with served(parts, faults) as url:
            yield Cluster(url, engine, faults)


class Clients:
    """Clients that ask without a pause, and count what they are answered."""

    def __init__(self, url, count=4):
        self.url, self.answers, self.failures = url, {}, []
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        while not self._stop.wait(0.01):
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    body = answer.read().decode()
            except OSError as error:
                self.failures.append(str(error))
                continue
            with self._lock:
                self.answers[body] = self.answers.get(body, 0) + 1
