"""
Broken environments: ways to break the forum's surroundings, each undone afterwards, and to run the
split on them.
"""

import contextlib
import copy
import http.server
import json
import socket
import socketserver
import threading
from pathlib import Path

import yaml

from flows.split import main

ACCOUNT = "arn:aws:iam::123456789012"


SERVICES = ("ec2", "ecr", "ecs", "elbv2", "iam", "logs", "cloudwatch")


class Forum:
    """
    The sandbox's forum with a config to spoil, and clients to spoil AWS with; `undo` puts AWS back.
    """

    def __init__(self, sandbox, clients, folder, undo):
        self.config = yaml.safe_load(Path(sandbox.state["config"]).read_text(encoding="utf-8"))
        # Two are enough to be in each other's way.
        self.users, _ = self.config["services"] = self.config["services"][:2]
        self.sandbox, self.folder, self.undo = sandbox, folder, undo
        self.arguments = []
        self.ec2, self.ecr, self.ecs, self.elb, self.iam, self.logs, self.cloudwatch = clients
        self.gates = self.config["traffic"]["gates"]

    @property
    def balancer(self):
        return self.elb.describe_load_balancers(Names=["forum"])["LoadBalancers"][0]

    @property
    def listener(self):
        return self.elb.describe_listeners(LoadBalancerArn=self.balancer["LoadBalancerArn"])[
            "Listeners"
        ][0]

    @property
    def monolith_group(self):
        return self.elb.describe_target_groups(Names=["forum-monolith-tg"])["TargetGroups"][0][
            "TargetGroupArn"
        ]

    @property
    def monolith(self):
        return self.ecs.describe_services(cluster="forum", services=["monolith"])["services"][0]

    @property
    def network(self):
        return copy.deepcopy(self.monolith["networkConfiguration"]["awsvpcConfiguration"])

    def use_image(self, image, **more):
        """Let users have a ready image."""
        del self.users["build"]
        self.users |= {"image": image, **more}

    def rule(self, priority, pattern, actions=None, **more):
        """A rule of somebody else's."""
        refusal = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        made = self.elb.create_rule(
            ListenerArn=self.listener["ListenerArn"],
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [pattern]}}],
            Actions=actions or [refusal],
            **more,
        )["Rules"][0]["RuleArn"]
        self.undo.callback(self.elb.delete_rule, RuleArn=made)
        return made

    def target_group(self, name, tags=()):
        made = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=3000, VpcId=self.balancer["VpcId"], TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        if tags:
            self.elb.add_tags(ResourceArns=[made], Tags=tags)
        self.undo.callback(self.elb.delete_target_group, TargetGroupArn=made)
        return made

    def role(self, name, principal="ecs-tasks.amazonaws.com", tags=()):
        trust = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        made = self.iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=document, Tags=list(tags)
        )
        self.undo.callback(self.iam.delete_role, RoleName=name)
        return made["Role"]["Arn"]

    def service(self, name, desired_count=0, **more):
        """An ECS service without tasks, in the monolith's image and network."""
        monolith = self.monolith
        self.ecs.create_service(
            cluster="forum",
            serviceName=name,
            taskDefinition=monolith["taskDefinition"],
            desiredCount=desired_count,
            launchType="FARGATE",
            networkConfiguration=monolith["networkConfiguration"],
            **more,
        )
        self.undo.callback(self.ecs.delete_service, cluster="forum", service=name, force=True)

    def faults(self, spec):
        self.sandbox.faults(spec)
        self.undo.callback(self.sandbox.faults, "")

    def run(self):
        """Run the command; return its exit code and the calls with which it changed something."""
        path = self.folder / "split.yaml"
        path.write_text(yaml.safe_dump(self.config), encoding="utf-8")
        before = len(self.sandbox.record())
        report = ["--report", str(self.folder / "report.html")]
        code = main([str(path), "--json", *report, *self.arguments])
        calls = self.sandbox.record()[before:]
        changes = [call for call in calls if call["mutating"] and call["error_code"] is None]
        return code, [f"{call['service']} {call['action']}" for call in changes]


@contextlib.contextmanager
def hanging_up():
    """A server of 127.0.0.1 that closes every connection without a word; yields its URL."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def answering(status, body):
    """An HTTP server of 127.0.0.1 with one answer to everything; yields its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def silent():
    """A port of 127.0.0.1 that takes connections and answers nothing; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def aws_error(code, message):
    """An error as STS words it."""
    return (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    ).encode()
