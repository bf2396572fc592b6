"""
Ways to break the forum's surroundings: each takes a `Forum`, breaks one thing, and leaves its
undoing with it.
"""

import socket

from tasks.aws.tags import CONFIG, MANAGED_BY, TOOL
from tasks.elbv2.lock import Holder
from tasks.elbv2.rule_matching import LOCK, ROLE
from tests.integration.flows.plan.preflight_forum import (
    ACCOUNT,
    answering,
    aws_error,
    hanging_up,
    silent,
)

OTHER_SPLIT = {MANAGED_BY: TOOL, CONFIG: "shop"}


def tags(owner):
    return [{"Key": key, "Value": value} for key, value in owner.items()]


# What everything stands on.


def cluster_is_not_there(forum):
    forum.config["cluster"] = "nowhere"


def monolith_is_not_there(forum):
    forum.config["monolith"]["service"] = "minolith"


def monolith_is_behind_no_load_balancer(forum):
    forum.service("alone")
    forum.config["monolith"]["service"] = "alone"


def monolith_has_no_tasks(forum):
    group = [
        {
            "targetGroupArn": forum.monolith_group,
            "containerName": "monolith-cntr",
            "containerPort": 3000,
        }
    ]
    forum.service("asleep", loadBalancers=group)
    forum.config["monolith"]["service"] = "asleep"


def load_balancer_is_not_there(forum):
    forum.config["listener"]["load_balancer"] = "farum"


def listener_is_not_there(forum):
    forum.config["listener"]["port"] = 443


def listener_is_one_of_two(forum):
    refusal = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    made = forum.elb.create_listener(
        LoadBalancerArn=forum.balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=8099,
        DefaultActions=[refusal],
    )["Listeners"][0]["ListenerArn"]
    forum.undo.callback(forum.elb.delete_listener, ListenerArn=made)


# Credentials and endpoint.


def account_is_another(forum):
    forum.config["aws"]["account_id"] = "999999999999"


def nothing_listens(forum):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    forum.config["aws"]["endpoint_url"] = f"http://127.0.0.1:{port}"


def endpoint_is_silent(forum):
    forum.config["aws"]["endpoint_url"] = forum.undo.enter_context(silent())


def endpoint_is_a_web_page(forum):
    url = forum.undo.enter_context(answering(200, b"<!doctype html><p>hello</p>"))
    forum.config["aws"]["endpoint_url"] = url


def profile_is_unknown(forum):
    forum.config["aws"]["profile"] = "prodution"


def credentials_are_none(forum):
    forum.config["aws"]["shared_credentials_file"] = "nowhere"


def credentials_are_half(forum):
    (forum.folder / "half").write_text("[default]\naws_access_key_id = AKIA\n")
    forum.config["aws"]["shared_credentials_file"] = "half"


def credentials_have_expired(forum):
    error = aws_error("ExpiredToken", "The security token included in the request is expired")
    forum.config["aws"]["endpoint_url"] = forum.undo.enter_context(answering(403, error))


def credentials_are_unknown(forum):
    error = aws_error(
        "InvalidClientTokenId", "The security token included in the request is invalid"
    )
    forum.config["aws"]["endpoint_url"] = forum.undo.enter_context(answering(403, error))


def denied(action):
    def deny(forum):
        forum.gates["alarms"] = ["forum-5xx"]
        forum.faults(f"deny={action}")

    deny.__name__ = f"{action}_is_denied"
    return deny


# Network and roles.


def subnet_is_not_there(forum):
    forum.config["network"] = {"subnets": [forum.network["subnets"][0], "subnet-0123456789"]}


def subnets_are_in_one_zone(forum):
    forum.config["network"] = {"subnets": forum.network["subnets"][:1]}


def other_vpc(forum):
    vpc = forum.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    forum.undo.callback(forum.ec2.delete_vpc, VpcId=vpc)
    return vpc


def subnets_are_in_another_vpc(forum):
    vpc = other_vpc(forum)
    subnets = []
    for zone, block in (("a", "10.9.0.0/24"), ("b", "10.9.1.0/24")):
        made = forum.ec2.create_subnet(
            VpcId=vpc, CidrBlock=block, AvailabilityZone=f"us-east-1{zone}"
        )
        subnets.append(made["Subnet"]["SubnetId"])
        forum.undo.callback(forum.ec2.delete_subnet, SubnetId=subnets[-1])
    forum.config["network"] = {"subnets": subnets}


def subnet_is_in_a_zone_that_the_load_balancer_does_not_serve(forum):
    vpc = forum.ec2.describe_vpcs(VpcIds=[forum.balancer["VpcId"]])["Vpcs"][0]
    first, second = vpc["CidrBlock"].split(".")[:2]
    made = forum.ec2.create_subnet(
        VpcId=vpc["VpcId"], CidrBlock=f"{first}.{second}.192.0/24", AvailabilityZone="us-east-1c"
    )["Subnet"]["SubnetId"]
    forum.undo.callback(forum.ec2.delete_subnet, SubnetId=made)
    forum.config["network"] = {"subnets": [*forum.network["subnets"], made]}


def security_group_is_not_there(forum):
    forum.config["network"] = {"security_groups": ["sg-0123456789"]}


def security_group_is_in_another_vpc(forum):
    made = forum.ec2.create_security_group(
        GroupName="far", Description="far", VpcId=other_vpc(forum)
    )["GroupId"]
    forum.undo.callback(forum.ec2.delete_security_group, GroupId=made)
    forum.config["network"] = {"security_groups": [made]}


def port_is_closed(forum):
    forum.users["port"] = 3001


def load_balancer_may_not_go_out(forum):
    (group,) = forum.balancer["SecurityGroups"]
    found = forum.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][
        "IpPermissionsEgress"
    ]
    forum.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found)
    forum.undo.callback(
        forum.ec2.authorize_security_group_egress, GroupId=group, IpPermissions=found
    )


def execution_role_is_not_there(forum):
    forum.config["execution_role_arn"] = f"{ACCOUNT}:role/nobody"


def execution_role_is_another_account_s(forum):
    forum.config["execution_role_arn"] = "arn:aws:iam::999999999999:role/ecsTaskExecutionRole"


def execution_role_is_for_ec2(forum):
    forum.config["execution_role_arn"] = forum.role("for-ec2", "ec2.amazonaws.com")


# Paths and rules.


def path_is_another_rule_s(forum):
    forum.rule(5, "/api/users*")


def path_is_partly_another_rule_s(forum):
    forum.rule(5, "/api/users/1")


def path_is_shared(forum):
    other = forum.target_group("other")
    groups = [{"TargetGroupArn": arn, "Weight": 50} for arn in (forum.monolith_group, other)]
    forum.rule(5, "/api/users*", [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}])


def path_is_claimed_twice(forum):
    forum.users["path_patterns"].append("/api/posts/in-thread/*")


def no_priority_is_free(forum):
    rules = forum.elb.describe_rules(ListenerArn=forum.listener["ListenerArn"])["Rules"]
    (arn,) = (rule["RuleArn"] for rule in rules if rule["Priority"] == "99")
    forum.elb.set_rule_priorities(RulePriorities=[{"RuleArn": arn, "Priority": 2}])
    forum.undo.callback(
        forum.elb.set_rule_priorities, RulePriorities=[{"RuleArn": arn, "Priority": 99}]
    )


def lock_s_priority_is_taken(forum):
    forum.rule(50_000, "/img/*")


def too_many_wildcards_come_together(forum):
    forum.users["path_patterns"] += ["/u/*/*/a", "/u/*/*/b", "/u/*/*/c"]


def rules_do_not_fit(forum):
    for number in range(93):
        forum.rule(1000 + number, f"/img/{number}")


def monolith_s_group_is_sticky(forum):
    group = forum.monolith_group

    def stick(value):
        attributes = [{"Key": "stickiness.enabled", "Value": value}]
        forum.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=attributes)

    stick("true")
    forum.undo.callback(stick, "false")


# Images, engine, gates, parity, names.


def image_is_not_there(forum):
    repository = forum.ecr.describe_repositories(repositoryNames=["forum-monolith"])[
        "repositories"
    ][0]
    forum.use_image(f"{repository['repositoryUri']}:7")


def image_is_for_another_cpu(forum):
    repository = forum.ecr.describe_repositories(repositoryNames=["forum-monolith"])[
        "repositories"
    ][0]
    forum.use_image(f"{repository['repositoryUri']}:1", cpu_architecture="ARM64")


def build_context_is_not_there(forum):
    forum.users["build"]["context"] = "/nowhere"


def dockerfile_is_not_there(forum):
    forum.users["build"]["dockerfile"] = "Dockerfile.prod"


def dockerfile_is_refused_by_the_engine(forum):
    dockerfile = forum.folder / "users.Dockerfile"
    dockerfile.write_text("FROM split-sandbox/python\nADD https://x.example/a /a\nINCLUDE b\n")
    forum.users["build"]["dockerfile"] = str(dockerfile)


def image_is_no_reference(forum):
    forum.use_image("Nginx:1.27")


def environment_is_too_large(forum):
    forum.users["environment"] = {"CATALOG": "x" * 66_000}


def engine_is_not_there(forum):
    forum.config["docker_host"] = "unix:///nowhere/docker.sock"


def engine_is_something_else(forum):
    forum.config["docker_host"] = forum.undo.enter_context(answering(200, b"hello")).replace(
        "http", "tcp"
    )


def alarm_is_not_there(forum):
    forum.gates["alarms"] = ["forum-5xx"]


def alarm_rings(forum):
    forum.cloudwatch.put_metric_alarm(
        AlarmName="rings",
        Namespace="Forum",
        MetricName="Calls",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    forum.undo.callback(forum.cloudwatch.delete_alarms, AlarmNames=["rings"])
    forum.users["traffic"] = {"gates": {"alarms": ["rings"]}}


def paths_file_is_not_there(forum):
    forum.users["parity"]["paths_file"] = "access.log"


def url_cannot_be_reached(forum):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        forum.config["listener"]["url"] = f"http://127.0.0.1:{free.getsockname()[1]}"


def url_gives_no_response(forum):
    forum.config["listener"]["url"] = forum.undo.enter_context(hanging_up())


def a_check_is_about_another_path(forum):
    forum.users["checks"].append({"path": "/health"})


def a_request_header_is_not_there(forum):
    forum.users["checks"][0]["request_headers"] = {"Cookie": {"secret": "no-such-secret"}}


def only_names_nobody(forum):
    forum.arguments += ["--only", "user"]


def adopt_names_nobody(forum):
    forum.arguments += ["--adopt", "user"]


def listener_is_held(forum):
    tag = {
        MANAGED_BY: TOOL,
        ROLE: LOCK,
        **Holder("split shop", "another-host", "7@boot", 4e9, 4e9).tags,
    }
    forum.rule(50_000, "/.ecs-splitter/lock", Tags=tags(tag))


# Names that are taken.


def target_group_is_somebody_s(forum):
    forum.target_group("users-tg")


def target_group_is_another_split_s(forum):
    forum.target_group("users-tg", tags(OTHER_SPLIT))


def role_is_somebody_s(forum):
    forum.role("users-task-role")


def log_group_is_somebody_s(forum):
    forum.logs.create_log_group(logGroupName="/ecs/users")
    forum.undo.callback(forum.logs.delete_log_group, logGroupName="/ecs/users")


def repository_is_somebody_s(forum):
    forum.ecr.create_repository(repositoryName="users")
    forum.undo.callback(forum.ecr.delete_repository, repositoryName="users", force=True)


def service_is_somebody_s(forum):
    forum.service("users")


def task_definition_is_somebody_s(forum):
    container = {"name": "users", "image": "users:1", "memory": 128}
    made = forum.ecs.register_task_definition(
        family="users-task-def", containerDefinitions=[container]
    )
    arn = made["taskDefinition"]["taskDefinitionArn"]
    forum.undo.callback(forum.ecs.deregister_task_definition, taskDefinition=arn)
