"""Stickiness and attributes that ELBv2 refuses, through boto3."""

import pytest

from tests.integration.sandbox.strictness import forward, refused, served_aws

RULE_WORDS = "You must enable group stickiness on a rule if you enabled target stickiness"
GROUP_WORDS = "This target group appears behind a rule with group stickiness disabled"


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.fixture(scope="module")
def elb(aws):
    return aws.client("elbv2")


@pytest.fixture
def sticky(aws, elb):
    group = aws.target_group()
    set_attributes(elb, group, {"stickiness.enabled": "true"})
    return group


def set_attributes(elb, group, attributes):
    pairs = [{"Key": key, "Value": value} for key, value in attributes.items()]
    elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=pairs)


def shared(*groups, **stickiness):
    """A forward action; the first group gets every request."""
    weighted = [{"TargetGroupArn": group, "Weight": 0} for group in groups]
    weighted[0]["Weight"] = 1
    config = {"TargetGroups": weighted}
    if stickiness:
        config["TargetGroupStickinessConfig"] = stickiness
    return {"Type": "forward", "ForwardConfig": config}


def test_a_new_rule_does_not_share_traffic_with_a_sticky_group(aws, sticky):
    with refused("InvalidConfigurationRequest", RULE_WORDS):
        aws.rule(aws.listener(), actions=[shared(sticky, aws.target_group())])


def test_a_rule_does_not_begin_to_share_traffic_with_a_sticky_group(aws, elb, sticky):
    rule = aws.rule(aws.listener())
    with refused("InvalidConfigurationRequest", RULE_WORDS):
        elb.modify_rule(RuleArn=rule, Actions=[shared(aws.target_group(), sticky)])


def test_a_rule_without_stickiness_keeps_out_a_sticky_group_of_weight_0(aws, sticky):
    action = shared(aws.target_group(), sticky, Enabled=False, DurationSeconds=60)
    with refused("InvalidConfigurationRequest", RULE_WORDS):
        aws.rule(aws.listener(), actions=[action])


def test_a_new_listener_does_not_share_traffic_with_a_sticky_group(aws, sticky):
    with refused("InvalidConfigurationRequest", RULE_WORDS):
        aws.listener(DefaultActions=[shared(sticky, aws.target_group())])


def test_a_listener_does_not_begin_to_share_traffic_with_a_sticky_group(aws, elb, sticky):
    listener = aws.listener()
    with refused("InvalidConfigurationRequest", RULE_WORDS):
        elb.modify_listener(
            ListenerArn=listener, DefaultActions=[shared(sticky, aws.target_group())]
        )


def test_a_rule_with_stickiness_shares_traffic_with_a_sticky_group(aws, elb, sticky):
    action = shared(sticky, aws.target_group(), Enabled=True, DurationSeconds=60)
    rule = aws.rule(aws.listener(), actions=[action])
    read = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]["ForwardConfig"]
    assert read["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 60}


def test_a_rule_forwards_to_a_sticky_group_alone(aws, elb, sticky):
    rule = aws.rule(aws.listener(), actions=[forward(sticky)])
    assert elb.describe_rules(RuleArns=[rule])["Rules"]


def test_a_group_that_shares_traffic_does_not_become_sticky(aws, elb):
    group = aws.target_group()
    rule = aws.rule(aws.listener(), actions=[shared(aws.target_group(), group)])
    with refused("InvalidConfigurationRequest", f"{GROUP_WORDS}.*{rule}"):
        set_attributes(elb, group, {"stickiness.enabled": "true"})


def test_a_group_behind_a_sticky_rule_becomes_sticky(aws, elb):
    group = aws.target_group()
    action = shared(group, aws.target_group(), Enabled=True, DurationSeconds=604_800)
    aws.rule(aws.listener(), actions=[action])
    set_attributes(elb, group, {"stickiness.enabled": "true"})


@pytest.mark.parametrize(
    "stickiness",
    [{"Enabled": True}, {"Enabled": True, "DurationSeconds": 0}, {"DurationSeconds": 604_801}],
    ids=["no duration", "too short", "too long"],
)
def test_a_rule_with_a_stickiness_out_of_bounds_is_refused(aws, stickiness):
    with refused("ValidationError", "duration"):
        aws.rule(aws.listener(), actions=[shared(aws.target_group(), **stickiness)])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stickiness.enabled", "yes"),
        ("stickiness.type", "ip_cookie"),
        ("stickiness.lb_cookie.duration_seconds", "0"),
        ("stickiness.lb_cookie.duration_seconds", "604801"),
        ("stickiness.app_cookie.duration_seconds", "604801"),
        ("stickiness.app_cookie.cookie_name", "AWSALBTG"),
        ("stickiness.lb_cookie.name", "mine"),
        ("load_balancing.algorithm.type", "random"),
        ("load_balancing.cross_zone.enabled", "maybe"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "101"),
    ],
)
def test_a_target_group_attribute_out_of_bounds_is_refused(aws, elb, key, value):
    with refused("ValidationError", key):
        set_attributes(elb, aws.target_group(), {key: value})


@pytest.mark.parametrize(
    "attributes",
    [
        {"stickiness.type": "source_ip"},
        {"stickiness.type": "app_cookie"},
        {"preserve_client_ip.enabled": "true"},
        {
            "load_balancing.algorithm.type": "least_outstanding_requests",
            "slow_start.duration_seconds": "30",
        },
        {"load_balancing.algorithm.anomaly_mitigation": "on"},
    ],
    ids=["another protocol's", "no cookie name", "another type's", "slow start", "mitigation"],
)
def test_target_group_attributes_that_do_not_go_together_are_refused(aws, elb, attributes):
    with refused("InvalidConfigurationRequest"):
        set_attributes(elb, aws.target_group(), attributes)


def test_the_longest_deregistration_delay_is_an_hour(aws, elb):
    group = aws.target_group()
    set_attributes(elb, group, {"deregistration_delay.timeout_seconds": "3600"})
    read = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "3600"} in read


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("idle_timeout.timeout_seconds", "0"),
        ("idle_timeout.timeout_seconds", "4001"),
        ("client_keep_alive.seconds", "59"),
        ("deletion_protection.enabled", "yes"),
        ("idle_timeout", "60"),
    ],
)
def test_a_load_balancer_attribute_out_of_bounds_is_refused(aws, elb, key, value):
    with refused("ValidationError", key):
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=aws.load_balancer(), Attributes=[{"Key": key, "Value": value}]
        )


def test_a_load_balancer_and_a_target_group_have_all_attributes_from_the_start(aws, elb):
    balancer = elb.describe_load_balancer_attributes(LoadBalancerArn=aws.load_balancer())
    group = elb.describe_target_group_attributes(TargetGroupArn=aws.target_group())
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "60"} in balancer["Attributes"]
    assert {"Key": "stickiness.lb_cookie.duration_seconds", "Value": "86400"} in group["Attributes"]
