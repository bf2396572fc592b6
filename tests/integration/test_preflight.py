"""
Broken environments: the command says field, value and remedy, exits with 2, and changes nothing in AWS.

Each case breaks one thing about the forum's surroundings, in its config or in the AWS of the sandbox, runs the command
as its user would, and looks at what AWS was asked to do.
"""

import contextlib
import json
import socket

import pytest
from prefect.testing.utilities import prefect_test_harness

from tasks.lock import Holder
from tasks.ownership import CONFIG, MANAGED_BY, TOOL
from tasks.routing import LOCK, ROLE
from tests.integration.preflight import ACCOUNT, SERVICES, Forum, answering, aws_error, silent

# Each command has an event loop of its own, and Prefect's client leaves its connections to a loop that has ended.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OTHER_SPLIT = {MANAGED_BY: TOOL, CONFIG: "shop"}


@pytest.fixture(scope="module", autouse=True)
def prefect_server():
    """A Prefect of the module's own, started once."""
    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture(scope="module")
def clients(sandbox):
    """One boto3 client for each AWS service: making them takes longer than a test."""
    return [sandbox.boto(name) for name in SERVICES]


@pytest.fixture
def forum(sandbox, clients, tmp_path, monkeypatch):
    """The forum, to be broken; AWS is as before after the test."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with contextlib.ExitStack() as undo:
        yield Forum(sandbox, clients, tmp_path, undo)


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
    group = [{"targetGroupArn": forum.monolith_group, "containerName": "monolith-cntr", "containerPort": 3000}]
    forum.service("asleep", loadBalancers=group)
    forum.config["monolith"]["service"] = "asleep"


def load_balancer_is_not_there(forum):
    forum.config["listener"]["load_balancer"] = "farum"


def listener_is_not_there(forum):
    forum.config["listener"]["port"] = 443


def listener_is_one_of_two(forum):
    refusal = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    made = forum.elb.create_listener(
        LoadBalancerArn=forum.balancer["LoadBalancerArn"], Protocol="HTTP", Port=8099, DefaultActions=[refusal]
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
    error = aws_error("InvalidClientTokenId", "The security token included in the request is invalid")
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
        made = forum.ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"us-east-1{zone}")
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
    made = forum.ec2.create_security_group(GroupName="far", Description="far", VpcId=other_vpc(forum))["GroupId"]
    forum.undo.callback(forum.ec2.delete_security_group, GroupId=made)
    forum.config["network"] = {"security_groups": [made]}


def port_is_closed(forum):
    forum.users["port"] = 3001


def load_balancer_may_not_go_out(forum):
    (group,) = forum.balancer["SecurityGroups"]
    found = forum.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    forum.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found)
    forum.undo.callback(forum.ec2.authorize_security_group_egress, GroupId=group, IpPermissions=found)


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
    forum.undo.callback(forum.elb.set_rule_priorities, RulePriorities=[{"RuleArn": arn, "Priority": 99}])


def lock_s_priority_is_taken(forum):
    forum.rule(50_000, "/img/*")


def too_many_wildcards_come_together(forum):
    forum.users["path_patterns"] += ["/u/*/*/a", "/u/*/*/b", "/u/*/*/c"]


def rules_do_not_fit(forum):
    for number in range(93):
        forum.rule(1000 + number, f"/img/{number}")


# Images, engine, gates, parity, names.


def image_is_not_there(forum):
    repository = forum.ecr.describe_repositories(repositoryNames=["forum-monolith"])["repositories"][0]
    forum.use_image(f"{repository['repositoryUri']}:7")


def image_is_for_another_cpu(forum):
    repository = forum.ecr.describe_repositories(repositoryNames=["forum-monolith"])["repositories"][0]
    forum.use_image(f"{repository['repositoryUri']}:1", cpu_architecture="ARM64")


def build_context_is_not_there(forum):
    forum.users["build"]["context"] = "/nowhere"


def dockerfile_is_not_there(forum):
    forum.users["build"]["dockerfile"] = "Dockerfile.prod"


def engine_is_not_there(forum):
    forum.config["docker_host"] = "unix:///nowhere/docker.sock"


def engine_is_something_else(forum):
    forum.config["docker_host"] = forum.undo.enter_context(answering(200, b"hello")).replace("http", "tcp")


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


def only_names_nobody(forum):
    forum.arguments += ["--only", "user"]


def adopt_names_nobody(forum):
    forum.arguments += ["--adopt", "user"]


def listener_is_held(forum):
    tag = {MANAGED_BY: TOOL, ROLE: LOCK, **Holder("split shop", "another-host", "7@boot", 4e9, 4e9).tags}
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
    made = forum.ecs.register_task_definition(family="users-task-def", containerDefinitions=[container])
    arn = made["taskDefinition"]["taskDefinitionArn"]
    forum.undo.callback(forum.ecs.deregister_task_definition, taskDefinition=arn)


CASES = [
    (cluster_is_not_there, "cluster: nowhere does not exist in us-east-1; check the name"),
    (monolith_is_not_there, "monolith.service: minolith is not an active service of cluster forum; `aws ecs list-"),
    (monolith_is_behind_no_load_balancer, "monolith.service: alone is behind no load balancer", "name the service"),
    (monolith_has_no_tasks, "services[0]: users is not carved out yet, and asleep has no tasks", "flows.rollback"),
    (load_balancer_is_not_there, "listener.load_balancer: farum does not exist in us-east-1; `aws elbv2 describe-"),
    (listener_is_not_there, "listener.port: 443, and load balancer forum listens on 8080; name one"),
    (listener_is_one_of_two, "listener.port: not given, and load balancer forum listens on", "name one of them"),
    (account_is_another, "aws.account_id: the credentials belong to account 123456789012, not 999999999999; use"),
    (nothing_listens, "aws.endpoint_url: http://127.0.0.1:", "does not answer", "check the address and the network"),
    (endpoint_is_silent, "aws.endpoint_url: http://127.0.0.1:", "does not answer", "check the address"),
    (endpoint_is_a_web_page, "aws.endpoint_url: http://127.0.0.1:", "not as AWS does; give the address of an AWS API"),
    (profile_is_unknown, "aws.profile: prodution:", "could not be found", "or set aws.profile"),
    (credentials_are_none, "aws.shared_credentials_file: ", "nowhere: no usable credentials", "`aws sso login`"),
    (credentials_are_half, "aws.shared_credentials_file: ", "half: no usable credentials", "aws_secret_access_key"),
    (credentials_have_expired, "aws: the credentials have expired (ExpiredToken", "log in with `aws sso login`"),
    (credentials_are_unknown, "aws: AWS does not take the credentials (InvalidClientTokenId", "log in with"),
    (denied("GetCallerIdentity"), "aws: the credentials may not call sts:GetCallerIdentity", "allow them to in IAM"),
    (denied("DescribeServices"), "aws: the credentials may not call ecs:DescribeServices", "allow them to in IAM"),
    (denied("DescribeRules"), "aws: the credentials may not call elasticloadbalancing:DescribeRules", "in IAM"),
    (denied("DescribeSubnets"), "aws: the credentials may not call ec2:DescribeSubnets", "allow them to in IAM"),
    (denied("GetRole"), "aws: the credentials may not call iam:GetRole", "allow them to in IAM"),
    (denied("GetAccountSummary"), "aws: the credentials may not call iam:GetAccountSummary", "allow them to in IAM"),
    (denied("DescribeAlarms"), "aws: the credentials may not call cloudwatch:DescribeAlarms", "allow them to in IAM"),
    (denied("DescribeRepositories"), "aws: the credentials may not call ecr:DescribeRepositories", "in IAM"),
    (subnet_is_not_there, "network.subnets: subnet-0123456789 does not exist", "name subnets of vpc-"),
    (subnets_are_in_one_zone, "network.subnets: subnet-", "all in us-east-1a", "at least two availability zones"),
    (
        subnets_are_in_another_vpc,
        "network.subnets: subnet-",
        "but the load balancer is in vpc-",
        "name subnets of vpc-",
    ),
    (
        subnet_is_in_a_zone_that_the_load_balancer_does_not_serve,
        "network.subnets: subnet-",
        "is in us-east-1c, which the load balancer does not serve (it serves us-east-1a, us-east-1b); leave it out",
    ),
    (security_group_is_not_there, "network.security_groups: sg-0123456789 does not exist", "name security groups of"),
    (security_group_is_in_another_vpc, "network.security_groups: sg-", "one VPC only", "name security groups of vpc-"),
    (port_is_closed, "services[0].port: 3001 cannot be reached", "lets nothing of it in", "--protocol tcp --port 3001"),
    (load_balancer_may_not_go_out, "services[0].port: 3000 cannot be reached", "lets nothing out", "authorize-sec"),
    (execution_role_is_not_there, f"execution_role_arn: {ACCOUNT}:role/nobody does not exist; create it with policy"),
    (execution_role_is_another_account_s, "execution_role_arn: arn:aws:iam::999999999999", "its own account", "name"),
    (
        execution_role_is_for_ec2,
        f"execution_role_arn: {ACCOUNT}:role/for-ec2 cannot be assumed by ECS; allow ecs-tasks",
    ),
    (path_is_another_rule_s, "services[0].path_patterns[0]: '/api/users*' is answered by rule 5", "leave these paths"),
    (
        path_is_partly_another_rule_s,
        "services[0].path_patterns[0]: '/api/users*' is partly answered by rule 5",
        "leave",
    ),
    (path_is_shared, "services[0].path_patterns[0]: '/api/users*' is answered by rule 5", "or let that rule forward"),
    (
        path_is_claimed_twice,
        "services[0].path_patterns[1]: '/api/posts/in-thread/*' of users and '/api/posts*'",
        "leave",
    ),
    (no_priority_is_free, "services[0].path_patterns: users needs 3 free rule priorities after 0 and before 2", "move"),
    (
        lock_s_priority_is_taken,
        "listener: priority 50000 is taken by rule 50000 (/img/*)",
        "give the other rule another",
    ),
    (too_many_wildcards_come_together, "services[0].path_patterns: '/api/users*', '/u/*/*/a'", "7 wildcards", "put"),
    (rules_do_not_fit, "services[1] (posts) will not fit: 94 of 100 rules", "ask AWS to raise quota L-7EED9B64"),
    (image_is_not_there, "services[0].image: ", "forum-monolith:7 is not in ECR; push it, or name a tag"),
    (
        image_is_for_another_cpu,
        "services[0].image: ",
        "is for amd64, its tasks would run on arm64; set cpu_architecture",
    ),
    (build_context_is_not_there, "services[0].build.context: /nowhere is not a folder; give the folder to build"),
    (dockerfile_is_not_there, "services[0].build.dockerfile: ", "Dockerfile.prod is not a file; create it"),
    (engine_is_not_there, "docker_host: no Docker engine answers at unix:///nowhere/docker.sock", "or set docker_host"),
    (engine_is_something_else, "docker_host: no Docker engine answers at tcp://127.0.0.1:", "start one, or set"),
    (alarm_is_not_there, "traffic.gates.alarms[0]: alarm forum-5xx does not exist", "create it, or take it out"),
    (alarm_rings, "services[0].traffic.gates.alarms[0]: alarm rings is in ALARM already", "see to its cause"),
    (paths_file_is_not_there, "services.users.parity.paths_file: ", "access.log cannot be read", "give a text file"),
    (only_names_nobody, "--only: user is no service here; choose from posts, users"),
    (adopt_names_nobody, "--adopt: user is no service here; choose from posts, users"),
    (listener_is_held, "another run holds the listener: split shop on another-host (process 7)", "wait for it"),
    (target_group_is_somebody_s, "target group users-tg exists and was not made by this tool", "--adopt users"),
    (
        target_group_is_another_split_s,
        "target group users-tg exists and belongs to split 'shop'",
        "rename service users",
    ),
    (role_is_somebody_s, "IAM role users-task-role exists and was not made by this tool", "--adopt users"),
    (log_group_is_somebody_s, "log group /ecs/users exists and was not made by this tool", "--adopt users"),
    (repository_is_somebody_s, "ECR repository users exists and was not made by this tool", "--adopt users"),
    (service_is_somebody_s, "ECS service users exists and was not made by this tool", "--adopt users"),
    (
        task_definition_is_somebody_s,
        "task definition users-task-def exists and was not made by this tool",
        "--adopt users",
    ),
]


@pytest.mark.parametrize(
    ("breaking", "words"), [pytest.param(case[0], case[1:], id=case[0].__name__) for case in CASES]
)
def test_a_broken_environment_is_refused_before_anything_is_changed(forum, breaking, words, capsys):
    breaking(forum)
    code, calls = forum.run()
    outcome = json.loads(capsys.readouterr().out)
    assert (code, outcome["status"], calls) == (2, "refused", []), outcome["error"]
    assert any(is_in_order(words, line) for line in outcome["error"].splitlines()), outcome["error"]


def is_in_order(words, line):
    """Whether the line has all the words, one after the other."""
    for word in words:
        _, found, line = line.partition(word)
        if not found:
            return False
    return True


def test_all_findings_are_told_at_once(forum, capsys):
    for breaking in (port_is_closed, execution_role_is_not_there, alarm_is_not_there, path_is_claimed_twice):
        breaking(forum)
    role_is_somebody_s(forum)
    forum.run()
    told = json.loads(capsys.readouterr().out)["error"]
    fields = ("services[0].port:", "execution_role_arn:", "traffic.gates.alarms[0]:", "[1]: '/api/posts/", "IAM role")
    assert [field for field in fields if field not in told] == []


def test_a_plan_shows_what_it_found_as_well(forum, capsys):
    role_is_somebody_s(forum)
    forum.arguments.append("--plan")
    code, _ = forum.run()
    rows = json.loads(capsys.readouterr().out)["plan"]
    assert code == 2
    assert [row["name"] for row in rows if row["action"] == "conflict"] == ["users-task-role"]


def test_what_only_looks_odd_is_told_and_does_not_stop(forum, capsys):
    forum.users["path_patterns"] = ["/api/users/*"]
    forum.arguments.append("--plan")
    code, _ = forum.run()
    assert code == 3
    assert "'/api/users/*' does not match '/api/users' itself" in " ".join(capsys.readouterr().err.split())


def test_an_account_that_may_not_read_quotas_is_measured_by_aws_s_defaults(forum, capsys):
    forum.faults("deny=GetServiceQuota")
    forum.arguments.append("--plan")
    code, _ = forum.run()
    assert (code, json.loads(capsys.readouterr().out)["error"]) == (3, None)
