"""A served AWS with the strictness layer, and the few resources that its tests need."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.sandbox.served import served

_numbers = itertools.count(1)


class Aws:
    """Clients of a served AWS, and resources made on demand."""

    def __init__(self, endpoint_url):
        self.endpoint_url = endpoint_url
        self.client = lru_cache(self._client)

    def _client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="user",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )

    @cached_property
    def vpc(self):
        return self.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    @cached_property
    def subnets(self):
        return [
            self._subnet("10.0.0.0/24", "us-east-1a"),
            self._subnet("10.0.1.0/24", "us-east-1b"),
        ]

    @cached_property
    def neighbour(self):
        """A subnet in the first one's Availability Zone."""
        return self._subnet("10.0.2.0/24", "us-east-1a")

    def _subnet(self, block, zone):
        made = self.client("ec2").create_subnet(
            VpcId=self.vpc, CidrBlock=block, AvailabilityZone=zone
        )
        return made["Subnet"]["SubnetId"]

    def name(self, kind="n"):
        return f"{kind}-{next(_numbers)}"

    def load_balancer(self, **settings):
        settings = {"Name": self.name("alb"), "Subnets": self.subnets} | settings
        return self.client("elbv2").create_load_balancer(**settings)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]

    def target_group(self, **settings):
        ours = {
            "Name": self.name("tg"),
            "Protocol": "HTTP",
            "Port": 80,
            "VpcId": self.vpc,
            "TargetType": "ip",
        }
        return self.client("elbv2").create_target_group(**ours | settings)["TargetGroups"][0][
            "TargetGroupArn"
        ]

    def listener(self, load_balancer=None, **settings):
        ours = {"Port": 80, "Protocol": "HTTP", "DefaultActions": [not_found()]}
        made = self.client("elbv2").create_listener(
            LoadBalancerArn=load_balancer or self.load_balancer(), **ours | settings
        )
        return made["Listeners"][0]["ListenerArn"]

    def rule(self, listener, priority=1, conditions=None, actions=None, **settings):
        return self.client("elbv2").create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=conditions or [paths("/a")],
            Actions=actions or [not_found()],
            **settings,
        )["Rules"][0]["RuleArn"]

    def register(self, **settings):
        container = {"name": "app", "image": "app:1", "portMappings": [{"containerPort": 80}]}
        ours = {
            "family": self.name("family"),
            "containerDefinitions": [container],
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
        }
        return self.client("ecs").register_task_definition(**ours | settings)["taskDefinition"]


def not_found():
    return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}


def paths(*values):
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


def forward(*groups, weight=1):
    weighted = [{"TargetGroupArn": group, "Weight": weight} for group in groups]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}


def trust(**changes):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    statement = {name: value for name, value in (statement | changes).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextmanager
def refused(code, words=None):
    with pytest.raises(ClientError, match=words) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code


@contextmanager
def served_aws(make_parts=lambda _: ()) -> Iterator[Aws]:
    with served(make_parts) as url:
        yield Aws(url)
