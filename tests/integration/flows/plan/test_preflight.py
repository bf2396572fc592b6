"""
Broken environments: the command says field, value and remedy, exits with 2, and changes nothing in
AWS.

Each case breaks one thing about the forum's surroundings, in its config or in the AWS of the
sandbox, runs the command as its user would, and looks at what AWS was asked to do.
"""

import contextlib
import gc
import json

import pytest
from prefect.testing.utilities import prefect_test_harness

from tests.integration.flows.plan import breakages as broken
from tests.integration.flows.plan.preflight_forum import ACCOUNT, SERVICES, Forum

# Each command has an event loop of its own, and Prefect's client leaves its connections to a loop
# that has ended.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module", autouse=True)
def prefect_server():
    """A Prefect of the module's own, started once."""
    with prefect_test_harness(server_startup_timeout=90):
        yield
    # What is left of the connections goes here, where it is no error, not in another module.
    gc.collect()


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


CASES = [
    (
        broken.url_cannot_be_reached,
        "listener.url: http://127.0.0.1:",
        "cannot be reached from here (",
        "Connection refused), and checks and probes go through it",
        "give another listener.url",
    ),
    (
        broken.url_gives_no_response,
        "listener.url: http://127.0.0.1:",
        "gives no response (",
        "or set listener.url",
    ),
    (
        broken.a_check_is_about_another_path,
        "services[0].checks[4].path: '/health' matches none of path_patterns (/api/users*)",
        "move the check to monolith.checks",
    ),
    (
        broken.a_request_header_is_not_there,
        "services[0].checks[0].request_headers.Cookie: secret no-such-secret cannot be read (Reso",
        "allow secretsmanager:GetSecretValue",
    ),
    (broken.cluster_is_not_there, "cluster: nowhere does not exist in us-east-1; check the name"),
    (
        broken.monolith_is_not_there,
        "monolith.service: minolith is not an active service of cluster forum; `aws ecs list-",
    ),
    (
        broken.monolith_is_behind_no_load_balancer,
        "monolith.service: alone is behind no load balancer",
        "name the service",
    ),
    (
        broken.monolith_s_group_is_sticky,
        "monolith.service: target group forum-monolith-tg is sticky",
        "aws elbv2 modify-target-group-attributes --target-group-arn arn:",
        "Key=stickiness.enabled,Value=false",
    ),
    (
        broken.monolith_has_no_tasks,
        "services[0]: users is not split off yet, and asleep has no tasks",
        "flows.rollback",
    ),
    (
        broken.load_balancer_is_not_there,
        "listener.load_balancer: farum does not exist in us-east-1; `aws elbv2 describe-",
    ),
    (
        broken.listener_is_not_there,
        "listener.port: 443, and load balancer forum listens on 8080; name one",
    ),
    (
        broken.listener_is_one_of_two,
        "listener.port: not given, and load balancer forum listens on",
        "name one of them",
    ),
    (
        broken.account_is_another,
        "aws.account_id: the credentials belong to account 123456789012, not 999999999999; use",
    ),
    (
        broken.nothing_listens,
        "aws.endpoint_url: http://127.0.0.1:",
        "does not answer",
        "check the address and the network",
    ),
    (
        broken.endpoint_is_silent,
        "aws.endpoint_url: http://127.0.0.1:",
        "does not answer",
        "check the address",
    ),
    (
        broken.endpoint_is_a_web_page,
        "aws.endpoint_url: http://127.0.0.1:",
        "not as AWS does; give the address of an AWS API",
    ),
    (
        broken.profile_is_unknown,
        "aws.profile: prodution:",
        "could not be found",
        "or set aws.profile",
    ),
    (
        broken.credentials_are_none,
        "aws.shared_credentials_file: ",
        "nowhere: no usable credentials",
        "`aws sso login`",
    ),
    (
        broken.credentials_are_half,
        "aws.shared_credentials_file: ",
        "half: no usable credentials",
        "aws_secret_access_key",
    ),
    (
        broken.credentials_have_expired,
        "aws: the credentials have expired (ExpiredToken",
        "log in with `aws sso login`",
    ),
    (
        broken.credentials_are_unknown,
        "aws: AWS rejects the credentials (InvalidClientTokenId",
        "log in with",
    ),
    # One denied call for each place that explains one: the account, what the config names, the
    # plan, and the preflight.
    (
        broken.denied("GetCallerIdentity"),
        "aws: the credentials may not call sts:GetCallerIdentity",
        "allow it in IAM",
    ),
    (
        broken.denied("DescribeServices"),
        "aws: the credentials may not call ecs:DescribeServices",
        "allow it in IAM",
    ),
    (
        broken.denied("DescribeRules"),
        "aws: the credentials may not call elasticloadbalancing:DescribeRules",
        "in IAM",
    ),
    (
        broken.denied("DescribeSubnets"),
        "aws: the credentials may not call ec2:DescribeSubnets",
        "allow it in IAM",
    ),
    (
        broken.subnet_is_not_there,
        "network.subnets: subnet-0123456789 does not exist",
        "name subnets of vpc-",
    ),
    (
        broken.subnets_are_in_one_zone,
        "network.subnets: subnet-",
        "all in us-east-1a",
        "at least two availability zones",
    ),
    (
        broken.subnets_are_in_another_vpc,
        "network.subnets: subnet-",
        "but the load balancer is in vpc-",
        "name subnets of vpc-",
    ),
    (
        broken.subnet_is_in_a_zone_that_the_load_balancer_does_not_serve,
        "network.subnets: subnet-",
        (
            "is in us-east-1c, which the load balancer does not serve (it serves us-east-1a, "
            "us-east-1b); leave it out"
        ),
    ),
    (
        broken.security_group_is_not_there,
        "network.security_groups: sg-0123456789 does not exist",
        "name security groups of",
    ),
    (
        broken.security_group_is_in_another_vpc,
        "network.security_groups: sg-",
        "one VPC only",
        "name security groups of vpc-",
    ),
    (
        broken.port_is_closed,
        "services[0].port: 3001 cannot be reached",
        "lets nothing of it in",
        "--protocol tcp --port 3001",
    ),
    (
        broken.load_balancer_may_not_go_out,
        "services[0].port: 3000 cannot be reached",
        "lets nothing out",
        "authorize-sec",
    ),
    (
        broken.execution_role_is_not_there,
        f"execution_role_arn: {ACCOUNT}:role/nobody does not exist; create it with policy",
    ),
    (
        broken.execution_role_is_another_account_s,
        "execution_role_arn: arn:aws:iam::999999999999",
        "its own account",
        "name",
    ),
    (
        broken.execution_role_is_for_ec2,
        f"execution_role_arn: {ACCOUNT}:role/for-ec2 cannot be assumed by ECS; allow ecs-tasks",
    ),
    (
        broken.path_is_another_rule_s,
        "services[0].path_patterns[0]: '/api/users*' is answered by rule 5",
        "leave these paths",
    ),
    (
        broken.path_is_partly_another_rule_s,
        "services[0].path_patterns[0]: '/api/users*' is partly answered by rule 5",
        "leave",
    ),
    (
        broken.path_is_shared,
        "services[0].path_patterns[0]: '/api/users*' is answered by rule 5",
        "or let that rule forward",
    ),
    (
        broken.path_is_claimed_twice,
        "services[0].path_patterns[1]: '/api/posts/in-thread/*' of users and '/api/posts*'",
        "leave",
    ),
    (
        broken.no_priority_is_free,
        "services[0].path_patterns: users needs 3 free rule priorities after 0 and before 2",
        "move",
    ),
    (
        broken.lock_s_priority_is_taken,
        "listener: priority 50000 is taken by rule 50000 (/img/*)",
        "give the other rule another",
    ),
    (
        broken.too_many_wildcards_come_together,
        "services[0].path_patterns: '/api/users*', '/u/*/*/a'",
        "7 wildcards",
        "put",
    ),
    (
        broken.rules_do_not_fit,
        "services[1] (posts) will not fit: 94 of 100 rules",
        "ask AWS to raise quota L-7EED9B64",
    ),
    (
        broken.image_is_not_there,
        "services[0].image: ",
        "forum-monolith:7 is not in ECR; push it, or name a tag",
    ),
    (
        broken.image_is_for_another_cpu,
        "services[0].image: ",
        "is for amd64, its tasks would run on arm64; set cpu_architecture",
    ),
    (
        broken.build_context_is_not_there,
        "services[0].build.context: /nowhere is not a folder; give the folder to build",
    ),
    (
        broken.dockerfile_is_not_there,
        "services[0].build.dockerfile: ",
        "Dockerfile.prod is not a file; create it",
    ),
    (
        broken.dockerfile_is_refused_by_the_engine,
        "services[0].build.dockerfile: Dockerfile line 3: INCLUDE b: ",
        "use a Docker engine: --engine docker",
    ),
    (
        broken.image_is_no_reference,
        "services[0].image: 'Nginx:1.27': ",
        "write the repository in lower case",
    ),
    (
        broken.environment_is_too_large,
        "services[0].environment: the task definition has 66",
        "ECS allows 65536; move large values to S3 or SSM Parameter Store",
    ),
    (
        broken.engine_is_not_there,
        "docker_host: no Docker engine answers at unix:///nowhere/docker.sock",
        "or set docker_host",
    ),
    (
        broken.engine_is_something_else,
        "docker_host: no Docker engine answers at tcp://127.0.0.1:",
        "start one, or set",
    ),
    (
        broken.alarm_is_not_there,
        "traffic.gates.alarms[0]: alarm forum-5xx does not exist",
        "create it, or take it out",
    ),
    (
        broken.alarm_rings,
        "services[0].traffic.gates.alarms[0]: alarm rings is in ALARM already",
        "see to its cause",
    ),
    (
        broken.paths_file_is_not_there,
        "services.users.parity.paths_file: ",
        "access.log cannot be read",
        "give a text file",
    ),
    (
        broken.only_names_nobody,
        "--only: user is not a service of this config; choose from posts, users",
    ),
    (
        broken.adopt_names_nobody,
        "--adopt: user is not a service of this config; choose from posts, users",
    ),
    (
        broken.listener_is_held,
        "another run holds the listener: split shop on another-host (process 7)",
        "wait for it",
    ),
    (
        broken.target_group_is_somebody_s,
        "target group users-tg exists and was not made by this tool",
        "--adopt users",
    ),
    (
        broken.target_group_is_another_split_s,
        "target group users-tg exists and belongs to split 'shop'",
        "rename service users",
    ),
    (
        broken.role_is_somebody_s,
        "IAM role users-task-role exists and was not made by this tool",
        "--adopt users",
    ),
    (
        broken.log_group_is_somebody_s,
        "log group /ecs/users exists and was not made by this tool",
        "--adopt users",
    ),
    (
        broken.repository_is_somebody_s,
        "ECR repository users exists and was not made by this tool",
        "--adopt users",
    ),
    (
        broken.service_is_somebody_s,
        "ECS service users exists and was not made by this tool",
        "--adopt users",
    ),
    (
        broken.task_definition_is_somebody_s,
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
    for breaking in (
        broken.port_is_closed,
        broken.execution_role_is_not_there,
        broken.alarm_is_not_there,
        broken.path_is_claimed_twice,
    ):
        breaking(forum)
    broken.role_is_somebody_s(forum)
    forum.run()
    told = json.loads(capsys.readouterr().out)["error"]
    fields = (
        "services[0].port:",
        "execution_role_arn:",
        "traffic.gates.alarms[0]:",
        "[1]: '/api/posts/",
        "IAM role",
    )
    assert [field for field in fields if field not in told] == []


def test_a_plan_shows_what_it_found_as_well(forum, capsys):
    broken.role_is_somebody_s(forum)
    forum.arguments.append("--plan")
    code, _ = forum.run()
    rows = json.loads(capsys.readouterr().out)["plan"]
    assert code == 2
    assert [row["name"] for row in rows if row["action"] == "conflict"] == ["users-task-role"]


def test_what_only_looks_odd_is_told_and_does_not_stop(forum, capsys):
    forum.users["path_patterns"] = ["/api/users/*"]
    forum.users["checks"] = [{"path": "/api/users/1"}]
    forum.users["parity"] = {}
    forum.arguments.append("--plan")
    code, _ = forum.run()
    assert code == 3
    assert "'/api/users/*' does not match '/api/users' itself" in " ".join(
        capsys.readouterr().err.split()
    )


def test_an_account_that_may_not_read_quotas_is_measured_by_aws_s_defaults(forum, capsys):
    forum.faults("deny=GetServiceQuota")
    forum.arguments.append("--plan")
    code, _ = forum.run()
    assert (code, json.loads(capsys.readouterr().out)["error"]) == (3, None)
