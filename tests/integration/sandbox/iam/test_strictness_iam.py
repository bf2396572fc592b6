"""Trust policies and AWS's managed policies, through boto3."""

import pytest

from tests.integration.sandbox.strictness import refused, served_aws, trust

EXECUTION_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.fixture(scope="module")
def iam(aws):
    return aws.client("iam")


@pytest.mark.parametrize(
    "policy",
    [
        "no JSON",
        "[]",
        '{"Version": "2012-10-17"}',
        trust(Principal=None),
        trust(Action=None),
        trust(Effect=None),
        trust(Action="s3:GetObject"),
        trust(Resource="*"),
        trust(Principal={"Service": "ecs-tasks"}),
        trust(Principal="ecs-tasks.amazonaws.com"),
    ],
)
def test_an_invalid_trust_policy_is_refused(aws, iam, policy):
    with refused("MalformedPolicyDocument"):
        iam.create_role(RoleName=aws.name("role"), AssumeRolePolicyDocument=policy)


def test_a_trust_policy_that_is_changed_meets_the_same_rules(aws, iam):
    role = aws.name("role")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust())
    with refused("MalformedPolicyDocument"):
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust(Principal=None))


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "arn:aws:iam::123456789012:root"}, {"Service": ["ecs.amazonaws.com"]}],
)
def test_a_trust_policy_for_an_existing_principal_is_accepted(aws, iam, principal):
    role = aws.name("role")
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(Principal=principal))
    assert made["Role"]["RoleName"] == role


def test_a_role_name_has_64_characters(iam):
    with refused("ValidationError", "64"):
        iam.create_role(RoleName="r" * 65, AssumeRolePolicyDocument=trust())


def test_a_managed_policy_has_awss_document(iam):
    version = iam.get_policy(PolicyArn=EXECUTION_POLICY)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=EXECUTION_POLICY, VersionId=version)[
        "PolicyVersion"
    ]["Document"]
    assert "ecr:BatchGetImage" in document["Statement"][0]["Action"]


def test_a_managed_policy_that_aws_does_not_have_is_not_found(aws, iam):
    role = aws.name("role")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust())
    with refused("NoSuchEntity"):
        iam.attach_role_policy(
            RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy"
        )
