"""ELBv2's limits and conflicts, through boto3."""

from contextlib import nullcontext

import pytest

from tests.integration.sandbox.strictness import forward, not_found, paths, refused, served_aws


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.fixture(scope="module")
def elb(aws):
    return aws.client("elbv2")


def load_balancers_of(elb, group):
    return elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0][
        "LoadBalancerArns"
    ]


def test_a_load_balancer_with_other_tags_is_a_duplicate(aws):
    name = aws.name("alb")
    aws.load_balancer(Name=name, Tags=[{"Key": "owner", "Value": "a"}])
    with refused("DuplicateLoadBalancerName", "different settings"):
        aws.load_balancer(Name=name, Tags=[{"Key": "owner", "Value": "b"}])


def test_a_load_balancer_is_internet_facing_by_default(aws, elb):
    arn = aws.load_balancer()
    assert (
        elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["Scheme"]
        == "internet-facing"
    )


@pytest.mark.parametrize("name", ["x" * 33, "-alb", "internal-alb", "my_alb"])
def test_a_load_balancer_name_out_of_bounds_is_refused(aws, name):
    with refused("ValidationError", "load balancer name"):
        aws.load_balancer(Name=name)


def test_a_load_balancer_in_an_unknown_subnet_is_refused(aws):
    with refused("SubnetNotFound"):
        aws.load_balancer(Subnets=[aws.subnets[0], "subnet-0123456789abcdef0"])


def test_a_load_balancer_in_an_unknown_security_group_is_refused(aws):
    with refused("InvalidSecurityGroup"):
        aws.load_balancer(SecurityGroups=["sg-0123456789abcdef0"])


def test_a_network_load_balancer_is_not_part_of_the_sandbox(aws):
    with refused("NotImplemented", "application"):
        aws.load_balancer(Type="network")


def test_a_protected_load_balancer_is_not_deleted(aws, elb):
    arn = aws.load_balancer()
    protection = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=protection)
    with refused("OperationNotPermitted"):
        elb.delete_load_balancer(LoadBalancerArn=arn)


def test_a_load_balancer_that_does_not_exist_is_deleted(aws, elb):
    arn = aws.load_balancer()
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert (
        elb.delete_load_balancer(LoadBalancerArn=arn)["ResponseMetadata"]["HTTPStatusCode"] == 200
    )


def test_an_unknown_load_balancer_among_known_ones_is_not_found(aws, elb):
    name = aws.name("alb")
    aws.load_balancer(Name=name)
    with refused("LoadBalancerNotFound"):
        elb.describe_load_balancers(Names=[name, "nobody"])


def test_an_https_listener_is_not_part_of_the_sandbox(aws):
    with refused("NotImplemented", "HTTP"):
        aws.listener(Protocol="HTTPS", Port=443)


def test_a_listener_does_not_move_to_a_port_in_use(aws, elb):
    balancer = aws.load_balancer()
    aws.listener(balancer)
    other = aws.listener(balancer, Port=81)
    with refused("ValidationError", "already in use"):
        elb.modify_listener(ListenerArn=other, Port=80)


def test_a_target_group_name_has_32_characters(aws):
    with refused("ValidationError", "32"):
        aws.target_group(Name="x" * 33)


@pytest.mark.parametrize(
    "settings",
    [
        {"HealthCheckPath": "health"},
        {"HealthCheckIntervalSeconds": 301},
        {"HealthCheckTimeoutSeconds": 10, "HealthCheckIntervalSeconds": 10},
        {"HealthyThresholdCount": 11},
        {"Matcher": {"HttpCode": "200-599"}},
        {"Protocol": "GOPHER"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_target_group_setting_out_of_bounds_is_refused(aws, settings):
    with refused("ValidationError"):
        aws.target_group(**settings)


def test_a_target_group_does_not_get_a_timeout_beyond_its_interval(aws, elb):
    group = aws.target_group(HealthCheckIntervalSeconds=10)
    with refused("ValidationError", "must be smaller"):
        elb.modify_target_group(TargetGroupArn=group, HealthCheckTimeoutSeconds=11)


def test_a_target_group_that_was_modified_is_a_duplicate_of_what_it_was(aws, elb):
    name = aws.name("tg")
    group = aws.target_group(Name=name, HealthCheckPath="/old")
    elb.modify_target_group(TargetGroupArn=group, HealthCheckPath="/new")
    with refused("DuplicateTargetGroupName"):
        aws.target_group(Name=name, HealthCheckPath="/old")


def test_a_target_group_serves_one_load_balancer(aws):
    group = aws.target_group()
    aws.listener(DefaultActions=[forward(group)])
    with refused("TargetGroupAssociationLimit"):
        aws.listener(DefaultActions=[forward(group)])


def test_modifying_a_rule_adds_its_load_balancer_to_the_target_group(aws, elb):
    balancer, group = aws.load_balancer(), aws.target_group()
    rule = aws.rule(aws.listener(balancer))
    elb.modify_rule(RuleArn=rule, Actions=[forward(group)])
    assert load_balancers_of(elb, group) == [balancer]


def test_deleting_a_rule_removes_its_load_balancer_from_the_target_group(aws, elb):
    group = aws.target_group()
    rule = aws.rule(aws.listener(), actions=[forward(group)])
    elb.delete_rule(RuleArn=rule)
    assert load_balancers_of(elb, group) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deregistration_delay.timeout_seconds", "3601"),
        ("deregistration_delay.timeout_seconds", "soon"),
        ("slow_start.duration_seconds", "10"),
        ("deregistration_delay", "10"),
    ],
)
def test_a_target_group_attribute_out_of_bounds_is_refused(aws, elb, key, value):
    with refused("ValidationError", key):
        elb.modify_target_group_attributes(
            TargetGroupArn=aws.target_group(), Attributes=[{"Key": key, "Value": value}]
        )


@pytest.mark.parametrize(("count", "expected"), [(50, None), (51, "TooManyTags")])
def test_a_resource_has_50_tags(aws, elb, count, expected):
    tags = [{"Key": str(number), "Value": ""} for number in range(count)]
    with refused(expected) if expected else nullcontext():
        elb.add_tags(ResourceArns=[aws.target_group()], Tags=tags)


def test_target_groups_are_described_in_pages(aws, elb):
    arns = {aws.target_group() for _ in range(3)}
    pages = list(
        elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2})
    )
    found = {group["TargetGroupArn"] for page in pages for group in page["TargetGroups"]}
    assert (max(len(page["TargetGroups"]) for page in pages), arns <= found) == (2, True)


def test_an_invalid_marker_is_refused(elb):
    with refused("ValidationError", "marker"):
        elb.describe_target_groups(Marker="x")


def test_tags_of_more_than_20_resources_are_not_described_at_once(elb):
    with refused("ValidationError", "20"):
        elb.describe_tags(ResourceArns=["arn"] * 21)


def test_tags_of_an_unknown_resource_are_not_found(aws, elb):
    group = aws.target_group()
    elb.delete_target_group(TargetGroupArn=group)
    with refused("TargetGroupNotFound"):
        elb.describe_tags(ResourceArns=[group])


def test_a_rule_priority_ends_at_50000(aws):
    with refused("ValidationError", "'priority' failed to satisfy constraint.*50000"):
        aws.rule(aws.listener(), 50_001)


def test_a_rule_priority_is_used_once(aws):
    listener = aws.listener()
    aws.rule(listener)
    with refused("PriorityInUse"):
        aws.rule(listener)


def test_a_rule_has_six_wildcards(aws):
    with refused("ValidationError", "'6' condition wildcards"):
        aws.rule(aws.listener(), conditions=[paths("/a*b*", "/c*d*", "/e*f*", "/g?")])


def test_the_values_of_all_conditions_of_a_rule_count(aws):
    header = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x", "Values": ["1"]}}
    with refused("ValidationError", "'5' condition values"):
        aws.rule(aws.listener(), conditions=[paths("/a", "/b", "/c", "/d", "/e"), header])


def test_a_rule_has_one_path_condition(aws):
    with refused("ValidationError", "one 'path-pattern' condition"):
        aws.rule(aws.listener(), conditions=[paths("/a"), paths("/b")])


@pytest.mark.parametrize("pattern", ["/" + "x" * 128, "/a b", "/ä"])
def test_a_path_pattern_out_of_bounds_is_refused(aws, pattern):
    with refused("ValidationError"):
        aws.rule(aws.listener(), conditions=[paths(pattern)])


def test_a_modified_rule_meets_the_same_limits(aws, elb):
    rule = aws.rule(aws.listener())
    with refused("ValidationError", "'5' condition values"):
        elb.modify_rule(RuleArn=rule, Conditions=[paths("/a", "/b", "/c", "/d", "/e", "/f")])


def test_a_forward_action_has_five_target_groups(aws):
    with refused("ValidationError", "'5' target groups"):
        aws.rule(aws.listener(), actions=[forward(*(aws.target_group() for _ in range(6)))])


def test_a_negative_weight_is_refused(aws):
    with refused("ValidationError", "between 0 and 999"):
        aws.rule(aws.listener(), actions=[forward(aws.target_group(), weight=-1)])


def test_weights_of_a_rule_change_and_are_read_back(aws, elb):
    group = aws.target_group()
    rule = aws.rule(aws.listener(), actions=[forward(group, weight=1)])
    elb.modify_rule(RuleArn=rule, Actions=[forward(group, weight=999)])
    read = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]["ForwardConfig"][
        "TargetGroups"
    ]
    assert read == [{"TargetGroupArn": group, "Weight": 999}]


def test_a_load_balancer_uses_100_target_groups(aws):
    listener = aws.listener()
    groups = [aws.target_group() for _ in range(101)]
    for number in range(20):
        aws.rule(listener, number + 1, actions=[forward(*groups[5 * number : 5 * number + 5])])
    with refused("TooManyUniqueTargetGroupsPerLoadBalancer"):
        aws.rule(listener, 21, actions=[forward(groups[100])])


def test_a_default_rule_is_not_deleted(aws, elb):
    rule = elb.describe_rules(ListenerArn=aws.listener())["Rules"][0]["RuleArn"]
    with refused("OperationNotPermitted"):
        elb.delete_rule(RuleArn=rule)


def test_an_unknown_target_group_in_a_rule_is_not_found(aws, elb):
    group = aws.target_group()
    elb.delete_target_group(TargetGroupArn=group)
    with refused("TargetGroupNotFound"):
        aws.rule(aws.listener(), actions=[forward(group)])


def test_an_action_that_the_sandbox_cannot_do_is_refused(aws):
    cognito = {"UserPoolArn": "arn", "UserPoolClientId": "c", "UserPoolDomain": "d"}
    login = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": cognito}
    with refused("NotImplemented", "authenticate-cognito"):
        aws.rule(aws.listener(), actions=[login, not_found() | {"Order": 2}])


def test_account_limits_are_todays(elb):
    limits = {limit["Name"]: limit["Max"] for limit in elb.describe_account_limits()["Limits"]}
    assert limits["target-groups-per-application-load-balancer"] == "100"
