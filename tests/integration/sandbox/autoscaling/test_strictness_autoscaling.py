"""Scalable targets and their policies, through boto3."""

import pytest

from tests.integration.sandbox.strictness import refused, served_aws

DIMENSION = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.fixture(scope="module")
def autoscaling(aws):
    return aws.client("application-autoscaling")


@pytest.fixture
def service(aws):
    """An ECS service, by the name that Application Auto Scaling gives it."""
    ecs, name = aws.client("ecs"), aws.name("service")
    family = aws.register(requiresCompatibilities=["EC2"])["family"]
    ecs.create_cluster(clusterName=name)
    network = {"awsvpcConfiguration": {"subnets": aws.subnets, "securityGroups": []}}
    ecs.create_service(
        cluster=name,
        serviceName=name,
        taskDefinition=family,
        desiredCount=1,
        networkConfiguration=network,
    )
    return {"ResourceId": f"service/{name}/{name}"} | DIMENSION


def put_policy(autoscaling, service):
    metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    autoscaling.put_scaling_policy(
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50,
            "PredefinedMetricSpecification": metric,
        },
        **service,
    )


def test_a_target_that_is_no_service_is_refused(autoscaling):
    with refused("ValidationException", "ECS service doesn't exist"):
        autoscaling.register_scalable_target(
            ResourceId="service/c/s", MinCapacity=1, MaxCapacity=2, **DIMENSION
        )


def test_a_new_target_needs_its_capacities(autoscaling, service):
    with refused("ValidationException", "MaxCapacity"):
        autoscaling.register_scalable_target(MinCapacity=1, **service)


def test_a_target_whose_minimum_is_above_its_maximum_is_refused(autoscaling, service):
    with refused("ValidationException", "Maximum capacity"):
        autoscaling.register_scalable_target(MinCapacity=3, MaxCapacity=2, **service)


def test_what_is_suspended_is_read_back(autoscaling, service):
    autoscaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **service)
    state = {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": True,
        "ScheduledScalingSuspended": True,
    }
    autoscaling.register_scalable_target(SuspendedState=state, **service)
    found = autoscaling.describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[service["ResourceId"]]
    )
    target = found["ScalableTargets"][0]
    assert (target["SuspendedState"], target["MinCapacity"], target["MaxCapacity"]) == (state, 1, 2)


def test_deregistering_a_target_deletes_its_policies(autoscaling, service):
    autoscaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **service)
    put_policy(autoscaling, service)
    autoscaling.deregister_scalable_target(**service)
    assert autoscaling.describe_scaling_policies(**service)["ScalingPolicies"] == []


def test_deregistering_a_missing_target_is_refused(autoscaling, service):
    with refused("ObjectNotFoundException", "No scalable target found"):
        autoscaling.deregister_scalable_target(**service)
