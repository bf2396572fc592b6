"""ECS services that somebody has deleted: they are named, and never a raw error of ECS."""

import botocore.exceptions
import pytest

from config.aws import AwsConfig
from config.errors import ServiceUnhealthy
from tasks.aws.change import Create
from tasks.aws.tags import Owner
from tasks.ecs import service as module
from tasks.ecs.not_active import named_where_not_active
from tasks.ecs.service import Service, compare_service, ensure_service

AWS = AwsConfig(region="eu-central-1")
OWNER = Owner("shop", "cart")
DESIRED = Service("cart", {"cluster": "shop", "serviceName": "cart"}, OWNER)
DRAINING = {"serviceName": "cart", "serviceArn": "arn:cart", "status": "DRAINING", "tags": {}}


def refusal(code, message, operation="UpdateService"):
    response = {"Error": {"Code": code, "Message": message}}
    return botocore.exceptions.ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ServiceNotActiveException", "Service was not ACTIVE."),
        ("ServiceNotFoundException", "Service not found."),
        ("InvalidParameterException", "Unable to Start a service that is still Draining."),
        ("InvalidParameterException", "The specified service is inactive. Select an active one"),
    ],
)
def test_a_call_for_a_deleted_service_names_it_and_the_remedy(code, message):
    with (
        pytest.raises(ServiceUnhealthy, match=r"ECS service cart was deleted.*run again"),
        named_where_not_active("cart"),
    ):
        raise refusal(code, message)


def test_another_refusal_of_ecs_passes():
    with (
        pytest.raises(botocore.exceptions.ClientError, match="subnets can not be empty"),
        named_where_not_active("cart"),
    ):
        raise refusal("InvalidParameterException", "subnets can not be empty.")


@pytest.mark.parametrize("tags", [{}, OWNER.tags], ids=["somebody else's", "the split's"])
def test_a_service_that_still_drains_is_planned_to_be_created(tags):
    assert compare_service(DESIRED, {**DRAINING, "tags": tags}) == Create()


class Ecs:
    """ECS, where a service of the name still drains."""

    def create_service(self, **_):
        raise refusal(
            "InvalidParameterException",
            "Unable to Start a service that is still Draining.",
            "CreateService",
        )


def test_a_service_that_still_drains_is_named_when_it_cannot_be_created(monkeypatch):
    monkeypatch.setattr(module, "read_service", lambda *_: DRAINING)
    monkeypatch.setattr(module, "client", lambda *_: Ecs())
    with pytest.raises(ServiceUnhealthy, match="ECS service cart was deleted"):
        ensure_service.plain(AWS, DESIRED)
