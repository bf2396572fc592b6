"""Documented size limits of the AWS services in use, through boto3."""

import json
from contextlib import nullcontext

import pytest

from tests.integration.sandbox.strictness import not_found, paths, refused, served_aws, trust


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


def header(name="x", *values):
    config = {"HttpHeaderName": name, "Values": list(values) or ["1"]}
    return {"Field": "http-header", "HttpHeaderConfig": config}


def condition(field, config, *values):
    return {"Field": field, config: {"Values": list(values)}}


CONDITIONS = {
    "path": paths("/" + "x" * 128),
    "host": condition("host-header", "HostHeaderConfig", "x" * 125 + ".com"),
    "header value": header("x", "y" * 129),
    "header name": header("x" * 41),
    "header name with a space": header("x y"),
    "host as a header": header("Host"),
    "method": condition("http-request-method", "HttpRequestMethodConfig", "X" * 41),
    "method in lower case": condition("http-request-method", "HttpRequestMethodConfig", "get"),
    "query": condition("query-string", "QueryStringConfig", {"Value": "x" * 129}),
    "no value": condition("path-pattern", "PathPatternConfig"),
    "empty value": paths(""),
    "unknown field": condition("cookie", "PathPatternConfig", "x"),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_that_is_too_long_or_not_valid_is_refused(aws, name):
    with refused("ValidationError"):
        aws.rule(aws.listener(), conditions=[CONDITIONS[name]])


def test_conditions_of_the_greatest_length_are_accepted(aws):
    conditions = [
        paths("/" + "x" * 127),
        header("x" * 40, "y" * 128),
        condition("http-request-method", "HttpRequestMethodConfig", "X" * 40),
    ]
    assert aws.rule(aws.listener(), conditions=conditions)


@pytest.mark.parametrize(("length", "code"), [(1024, None), (1025, "ValidationError")])
def test_a_fixed_response_has_1024_characters(aws, length, code):
    action = not_found()
    action["FixedResponseConfig"]["MessageBody"] = "x" * length
    with refused(code, "1024") if code else nullcontext():
        aws.rule(aws.listener(), actions=[action])


@pytest.mark.parametrize("status", ["302", "600", "OK"])
def test_a_fixed_response_has_a_status_of_200_400_or_500(aws, status):
    action = not_found()
    action["FixedResponseConfig"]["StatusCode"] = status
    with refused("ValidationError", "regular expression pattern"):
        aws.rule(aws.listener(), actions=[action])


TAGS = {
    "51 tags": ([{"Key": str(n), "Value": ""} for n in range(51)], "TooManyTags"),
    "a key twice": ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "DuplicateTagKeys"),
    "aws:": ([{"Key": "aws:owner", "Value": "1"}], "ValidationError"),
    "129 characters": ([{"Key": "k" * 129, "Value": "1"}], "ValidationError"),
    "257 characters": ([{"Key": "k", "Value": "v" * 257}], "ValidationError"),
    "characters": ([{"Key": "k", "Value": "a{b}"}], "ValidationError"),
}


@pytest.mark.parametrize("name", TAGS)
def test_tags_that_elbv2_cannot_have_are_refused(aws, name):
    tags, code = TAGS[name]
    with refused(code):
        aws.target_group(Tags=tags)


def test_a_tag_may_have_letters_of_any_language(aws):
    assert aws.target_group(Tags=[{"Key": "größe", "Value": "käse und brot: 1/2"}])


@pytest.mark.parametrize(("length", "code"), [(64_000, None), (66_000, "ClientException")])
def test_a_task_definition_has_64_kib(aws, length, code):
    variable = {"name": "TEXT", "value": "x" * length}
    container = {"name": "app", "image": "app:1", "environment": [variable]}
    words = r"Actual length: '\d+'\. Max allowed length is '65536' bytes\."
    with refused(code, words) if code else nullcontext():
        aws.register(containerDefinitions=[container])


def test_a_task_definition_has_10_containers(aws):
    containers = [{"name": f"c{number}", "image": "app:1"} for number in range(11)]
    with refused("ClientException", "at most 10 containers"):
        aws.register(containerDefinitions=containers)


def test_an_ecs_resource_has_50_tags(aws):
    tags = [{"key": str(number), "value": ""} for number in range(51)]
    with refused("InvalidParameterException", "less than or equal to 50"):
        aws.register(tags=tags)


def policy(size):
    """A policy whose text without white space has about that many characters."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": []}
    arn = "arn:aws:s3:::forum-pictures/{:060d}"
    for number in range(size // 91):
        statement["Resource"].append(arn.format(number))
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=4)


@pytest.fixture
def role(aws):
    name = aws.name("role")
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust())
    return name


def put_policy(aws, role, name, size):
    aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy(size))


def test_white_space_of_a_role_policy_does_not_count(aws, role):
    assert len(policy(10_100)) > 10_240
    put_policy(aws, role, "large", 10_100)


def test_the_policies_of_a_role_have_10240_characters_together(aws, role):
    put_policy(aws, role, "one", 6000)
    put_policy(aws, role, "one", 6000)
    words = f"Maximum policy size of 10240 bytes exceeded for role {role}"
    with refused("LimitExceeded", words):
        put_policy(aws, role, "two", 6000)


def test_a_trust_policy_has_2048_characters(aws):
    statement = json.loads(trust())["Statement"][0]
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement] * 25})
    with refused("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"):
        aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)


@pytest.mark.parametrize("name", ["r" * 65, "a role", "role/a"])
def test_a_role_name_that_is_too_long_or_not_valid_is_refused(aws, name):
    with refused("ValidationError", "roleName"):
        aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust())


@pytest.mark.parametrize("name", ["g" * 513, "/ecs/my group", "/ecs/größe"])
def test_a_log_group_name_that_is_too_long_or_not_valid_is_refused(aws, name):
    with refused("InvalidParameterException", "logGroupName"):
        aws.client("logs").create_log_group(logGroupName=name)


def test_a_log_groups_tag_has_256_characters(aws):
    with refused("InvalidParameterException", "256"):
        aws.client("logs").create_log_group(logGroupName="/g", tags={"k": "v" * 257})


@pytest.mark.parametrize("name", ["r" * 257, "Users", "users/", "users//web", "users_-web"])
def test_a_repository_name_that_is_too_long_or_not_valid_is_refused(aws, name):
    with refused("InvalidParameterException", "repositoryName"):
        aws.client("ecr").create_repository(repositoryName=name)
