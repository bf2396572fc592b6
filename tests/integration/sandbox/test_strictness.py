"""Differences between moto and AWS, one per row, through boto3."""

import pytest

from tests.integration.sandbox.strictness import forward, paths, refused, served_aws, trust


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


def load_balancer_of_the_same_name_and_settings(aws):
    name = aws.name("alb")
    assert aws.load_balancer(Name=name) == aws.load_balancer(Name=name)


def load_balancer_of_the_same_name_and_other_settings(aws):
    name = aws.name("alb")
    aws.load_balancer(Name=name)
    with refused("DuplicateLoadBalancerName"):
        aws.load_balancer(Name=name, Scheme="internal")


def load_balancer_in_one_subnet(aws):
    with refused("ValidationError", "two subnets in two different Availability Zones"):
        aws.load_balancer(Subnets=aws.subnets[:1])


def load_balancer_in_one_zone(aws):
    with refused("InvalidConfigurationRequest"):
        aws.load_balancer(Subnets=[aws.subnets[0], aws.neighbour])


def target_group_of_the_same_name_and_settings(aws):
    name = aws.name("tg")
    assert aws.target_group(Name=name) == aws.target_group(Name=name)


def target_group_of_the_same_name_and_other_settings(aws):
    name = aws.name("tg")
    aws.target_group(Name=name)
    with refused("DuplicateTargetGroupName"):
        aws.target_group(Name=name, Port=81)


def listener_on_the_same_port_with_the_same_settings(aws):
    balancer = aws.load_balancer()
    assert aws.listener(balancer) == aws.listener(balancer)


def listener_on_the_same_port_with_other_settings(aws):
    balancer = aws.load_balancer()
    aws.listener(balancer)
    with refused("DuplicateListener"):
        aws.listener(balancer, DefaultActions=[forward(aws.target_group())])


def rules_past_the_quota(aws):
    listener = aws.listener()
    for priority in range(1, 101):
        aws.rule(listener, priority)
    with refused("TooManyRules"):
        aws.rule(listener, 101)


def rule_with_six_values(aws):
    with refused("ValidationError", "'5' condition values"):
        aws.rule(aws.listener(), conditions=[paths("/a", "/b", "/c", "/d", "/e", "/f")])


def rule_with_a_weight_of_1000(aws):
    with refused("ValidationError", "between 0 and 999"):
        aws.rule(aws.listener(), actions=[forward(aws.target_group(), weight=1000)])


def rule_with_a_broken_regular_expression(aws):
    condition = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a("]}}
    with refused("ValidationError", "regex"):
        aws.rule(aws.listener(), conditions=[condition])


def rule_with_a_transform(aws):
    rewrite = {"Rewrites": [{"Regex": "^/a", "Replace": "/b"}]}
    with refused("NotImplemented", "Transforms"):
        aws.rule(aws.listener(), Transforms=[{"Type": "url-rewrite", "UrlRewriteConfig": rewrite}])


def rule_deleted_twice(aws):
    rule = aws.rule(aws.listener())
    aws.client("elbv2").delete_rule(RuleArn=rule)
    with refused("RuleNotFound"):
        aws.client("elbv2").delete_rule(RuleArn=rule)


def load_balancer_of_a_target_group_named_once(aws):
    balancer, group = aws.load_balancer(), aws.target_group()
    listener = aws.listener(balancer)
    for priority in (1, 2):
        aws.rule(listener, priority, actions=[forward(group)])
    found = aws.client("elbv2").describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
    assert found["LoadBalancerArns"] == [balancer]


def unknown_target_deregistered(aws):
    answer = aws.client("elbv2").deregister_targets(
        TargetGroupArn=aws.target_group(), Targets=[{"Id": "10.0.0.9"}]
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def target_that_is_no_address(aws):
    with refused("ValidationError", "not-an-ip"):
        aws.client("elbv2").register_targets(
            TargetGroupArn=aws.target_group(), Targets=[{"Id": "not-an-ip"}]
        )


def fargate_size_that_does_not_exist(aws):
    with refused("ClientException", "No Fargate configuration exists for given values"):
        aws.register(cpu="256", memory="4096")


def fargate_on_a_bridge(aws):
    with refused("ClientException", "Fargate only supports network mode"):
        aws.register(networkMode="bridge")


def fargate_without_execution_role_for_logs(aws):
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "us-east-1"}}
    with refused("ClientException", "execution role ARN to support log driver awslogs"):
        aws.register(
            containerDefinitions=[{"name": "app", "image": "app:1", "logConfiguration": log}]
        )


def fargate_without_execution_role_for_an_ecr_image(aws):
    repository = aws.client("ecr").create_repository(repositoryName=aws.name("repo"))["repository"]
    with refused("ClientException", "execution role ARN to support ECR images"):
        aws.register(
            containerDefinitions=[{"name": "app", "image": f"{repository['repositoryUri']}:1"}]
        )


def retention_of_13_days(aws):
    logs, group = aws.client("logs"), aws.name("group")
    logs.create_log_group(logGroupName=group)
    with refused("InvalidParameterException", "retentionInDays"):
        logs.put_retention_policy(logGroupName=group, retentionInDays=13)


def trust_policy_without_principal(aws):
    with refused("MalformedPolicyDocument", "Principal"):
        aws.client("iam").create_role(
            RoleName=aws.name("role"), AssumeRolePolicyDocument=trust(Principal=None)
        )


def managed_policy_of_aws(aws):
    iam, role = aws.client("iam"), aws.name("role")
    arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust())
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"][0]["PolicyArn"] == arn


def action_that_moto_does_not_have(aws):
    arn = "arn:aws:iam::123456789012:role/r"
    with refused("NotImplemented"):
        aws.client("iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["ecs:RunTask"]
        )


def alarm_after_breaching_data(aws):
    cloudwatch, name = aws.client("cloudwatch"), aws.name("alarm")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName=name,
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": name, "Value": 2}])
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"] == "ALARM"


def scaling_policy_without_target(aws):
    with refused("ObjectNotFoundException", "No scalable target registered"):
        aws.client("application-autoscaling").put_scaling_policy(
            PolicyName="p",
            ServiceNamespace="ecs",
            ResourceId="service/c/s",
            ScalableDimension="ecs:service:DesiredCount",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": 50},
        )


def load_balancer_tagged_by_the_tagging_api(aws):
    balancer = aws.load_balancer()
    answer = aws.client("resourcegroupstaggingapi").tag_resources(
        ResourceARNList=[balancer], Tags={"a": "b"}
    )
    tags = aws.client("elbv2").describe_tags(ResourceArns=[balancer])["TagDescriptions"][0]["Tags"]
    assert (answer["FailedResourcesMap"], tags) == ({}, [{"Key": "a", "Value": "b"}])


ROWS = (
    load_balancer_of_the_same_name_and_settings,
    load_balancer_of_the_same_name_and_other_settings,
    load_balancer_in_one_subnet,
    load_balancer_in_one_zone,
    target_group_of_the_same_name_and_settings,
    target_group_of_the_same_name_and_other_settings,
    listener_on_the_same_port_with_the_same_settings,
    listener_on_the_same_port_with_other_settings,
    rules_past_the_quota,
    rule_with_six_values,
    rule_with_a_weight_of_1000,
    rule_with_a_broken_regular_expression,
    rule_with_a_transform,
    rule_deleted_twice,
    load_balancer_of_a_target_group_named_once,
    unknown_target_deregistered,
    target_that_is_no_address,
    fargate_size_that_does_not_exist,
    fargate_on_a_bridge,
    fargate_without_execution_role_for_logs,
    fargate_without_execution_role_for_an_ecr_image,
    retention_of_13_days,
    trust_policy_without_principal,
    managed_policy_of_aws,
    action_that_moto_does_not_have,
    alarm_after_breaching_data,
    scaling_policy_without_target,
    load_balancer_tagged_by_the_tagging_api,
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_the_sandbox_answers_as_aws_where_moto_does_not(aws, row):
    row(aws)
