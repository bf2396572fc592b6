"""What else changes the monolith's rules and target groups, and which of these is meant."""

from types import SimpleNamespace

import pytest

from config.errors import PreflightFailed
from config.monolith import MonolithConfig
from tasks.discovery import Monolith
from tasks.elbv2 import listener
from tasks.elbv2.listener import choose_target_group
from tasks.preflight.finding import errors
from tasks.preflight.monolith import check_deployment


def deployment(drain="never", **more):
    monolith = Monolith(
        service="shop-web",
        service_arn="arn:service",
        desired_count=2,
        running_count=2,
        target_group_arn="arn:group",
        target_group_name="shop",
        container="web",
        port=8000,
        task_definition="shop:1",
        log_group=None,
        tags={},
        **more,
    )
    config = MonolithConfig(service="shop-web", drain=drain)
    return errors(check_deployment(config, "prod", monolith))


def test_a_service_that_ecs_deploys_by_rolling_updates_is_no_finding():
    assert deployment("auto") == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deployment_controller": "CODE_DEPLOY"}, "deploymentController CODE_DEPLOY"),
        ({"deployment_controller": "EXTERNAL"}, "deploymentController EXTERNAL"),
        ({"deployment_strategy": "BLUE_GREEN"}, "strategy BLUE_GREEN"),
        ({"deployment_strategy": "LINEAR"}, "strategy LINEAR"),
        ({"deployment_strategy": "CANARY"}, "strategy CANARY"),
        ({"managed_by": "ECS"}, "Express Mode"),
    ],
)
def test_another_kind_of_deployment_is_refused_by_name(settings, words):
    (line,) = deployment(**settings)
    assert line.startswith("monolith.service: shop-web is")
    assert words in line


def test_a_daemon_cannot_be_drained():
    assert deployment(scheduling_strategy="DAEMON") == []
    (line,) = deployment("auto", scheduling_strategy="DAEMON")
    assert line.startswith("monolith.drain: auto, but shop-web has schedulingStrategy DAEMON")


ARN = "arn:aws:elasticloadbalancing:eu-central-1:1"
INTERNAL = f"{ARN}:loadbalancer/app/int/1"
PUBLIC = f"{ARN}:loadbalancer/app/pub/2"
NETWORK = f"{ARN}:loadbalancer/net/tcp/3"
GROUPS = {"shop-int": [INTERNAL], "shop-pub": [PUBLIC], "shop-tcp": [NETWORK]}


def choose(monkeypatch, names, wanted=None):
    arns = {name: f"{ARN}:targetgroup/{name}/9" for name in names}

    def describe_target_groups(TargetGroupArns):  # noqa: N803 - boto3's name
        found = [name for name in names if arns[name] in TargetGroupArns]
        return {
            "TargetGroups": [
                {"TargetGroupArn": arns[name], "LoadBalancerArns": GROUPS[name]} for name in found
            ]
        }

    elb = SimpleNamespace(describe_target_groups=describe_target_groups)
    monkeypatch.setattr(listener, "client", lambda *_: elb)
    groups = [{"targetGroupArn": arn} for arn in arns.values()]
    return choose_target_group(None, groups, "shop-web", wanted)["targetGroupArn"].split("/")[1]


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        pytest.param(["shop-int", "shop-pub"], "pub", "shop-pub", id="by name"),
        pytest.param(["shop-int", "shop-pub"], PUBLIC, "shop-pub", id="by ARN"),
        pytest.param(["shop-tcp", "shop-pub"], None, "shop-pub", id="the only application one"),
    ],
)
def test_the_group_of_the_meant_load_balancer_is_chosen(monkeypatch, names, wanted, chosen):
    assert choose(monkeypatch, names, wanted) == chosen


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (None, "name the load balancer whose paths are split in listener.load_balancer"),
        ("tcp", "listener.load_balancer is tcp, which uses 0 of them"),
    ],
)
def test_several_groups_are_named_instead_of_choosing_one(monkeypatch, wanted, words):
    with pytest.raises(PreflightFailed, match="behind several target groups") as caught:
        choose(monkeypatch, ["shop-int", "shop-pub"], wanted)
    assert "shop-int on int; shop-pub on pub" in str(caught.value)
    assert words in str(caught.value)
