"""Task definitions that AWS accepts and refuses, through boto3."""

import pytest

from tests.integration.sandbox.strictness import refused, served_aws

CONTAINER = {"name": "app", "image": "app:1"}
ROLE = "arn:aws:iam::123456789012:role/execution"
LOG = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "us-east-1"}}


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ("256", "512"),
        ("512", "4096"),
        ("1024", "3072"),
        ("8192", "20480"),
        ("0.25 vCPU", "0.5 GB"),
        ("16384", "32768"),
    ],
)
def test_a_fargate_size_that_exists_is_accepted(aws, cpu, memory):
    assert aws.register(cpu=cpu, memory=memory)["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ("256", "768"),
        ("512", "512"),
        ("1024", "9216"),
        ("8192", "17408"),
        ("300", "512"),
        ("32768", "61440"),
    ],
)
def test_a_fargate_size_that_does_not_exist_is_refused(aws, cpu, memory):
    with refused("ClientException", "No Fargate configuration exists for given values"):
        aws.register(cpu=cpu, memory=memory)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cpu": ""}, "'cpu' be defined at the task level"),
        ({"memory": ""}, "'memory' be defined at the task level"),
        ({"family": "my family"}, "Family contains invalid characters"),
        ({"containerDefinitions": []}, "Container list cannot be empty"),
        ({"containerDefinitions": [CONTAINER, CONTAINER]}, "duplicate names"),
        (
            {"containerDefinitions": [CONTAINER | {"name": "my app"}]},
            "Container.name contains invalid characters",
        ),
        ({"containerDefinitions": [CONTAINER | {"image": ""}]}, "Container.image"),
        ({"containerDefinitions": [CONTAINER | {"essential": False}]}, "essential"),
        ({"containerDefinitions": [CONTAINER | {"memory": 1024}]}, "'memory' setting"),
        ({"containerDefinitions": [CONTAINER | {"cpu": 512}]}, "'cpu' setting"),
        (
            {"containerDefinitions": [CONTAINER | {"memory": 64, "memoryReservation": 128}]},
            "memoryReservation",
        ),
        ({"containerDefinitions": [CONTAINER | {"stopTimeout": 121}]}, "stop timeout"),
        (
            {"containerDefinitions": [CONTAINER | {"logConfiguration": {"logDriver": "syslog"}}]},
            "not a valid log driver",
        ),
        (
            {"containerDefinitions": [CONTAINER | {"logConfiguration": {"logDriver": "awslogs"}}]},
            "requires options",
        ),
        (
            {"containerDefinitions": [CONTAINER | {"secrets": [{"name": "S", "valueFrom": "a"}]}]},
            "executionRoleArn",
        ),
        (
            {"executionRoleArn": "arn:aws:cloudformation:us-east-1:123456789012:stack/s"},
            "Role is not valid",
        ),
        ({"ephemeralStorage": {"sizeInGiB": 20}}, "at least 21"),
    ],
)
def test_a_task_definition_that_aws_refuses_is_refused(aws, settings, words):
    with refused("ClientException", words):
        aws.register(**settings)


def test_ports_of_a_task_with_its_own_address_are_the_containers(aws):
    ports = [{"containerPort": 80, "hostPort": 8080}]
    with refused("ClientException", "host ports and container ports"):
        aws.register(containerDefinitions=[CONTAINER | {"portMappings": ports}])


def test_a_task_with_an_execution_role_has_logs_and_ecr_images(aws):
    repository = aws.client("ecr").create_repository(repositoryName=aws.name("repo"))["repository"]
    container = {
        "name": "app",
        "image": f"{repository['repositoryUri']}@sha256:{'0' * 64}",
        "logConfiguration": LOG,
    }
    assert (
        aws.register(executionRoleArn=ROLE, containerDefinitions=[container])["executionRoleArn"]
        == ROLE
    )


def test_an_image_by_digest_is_an_ecr_image_too(aws):
    repository = aws.client("ecr").create_repository(repositoryName=aws.name("repo"))["repository"]
    with refused("ClientException", "ECR images"):
        aws.register(
            containerDefinitions=[
                CONTAINER | {"image": f"{repository['repositoryUri']}@sha256:{'0' * 64}"}
            ]
        )


def test_a_task_on_container_instances_may_use_a_bridge(aws):
    definition = aws.register(
        requiresCompatibilities=["EC2"], networkMode="bridge", cpu="100", memory="300"
    )
    assert definition["networkMode"] == "bridge"


def test_sizes_are_read_back_in_units_and_mib(aws):
    definition = aws.register(cpu="1 vCPU", memory="2GB")
    assert (definition["cpu"], definition["memory"]) == ("1024", "2048")


def test_a_container_is_read_back_with_awss_defaults(aws):
    container = CONTAINER | {"portMappings": [{"containerPort": 80}], "logConfiguration": LOG}
    read = aws.register(executionRoleArn=ROLE, containerDefinitions=[container])[
        "containerDefinitions"
    ][0]
    assert read == {
        "name": "app",
        "image": "app:1",
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
        "logConfiguration": LOG | {"secretOptions": []},
    }
