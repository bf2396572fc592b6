"""The account's quotas, through boto3."""

import pytest

from tests.integration.sandbox.strictness import refused, served_aws


@pytest.fixture(scope="module")
def aws():
    with served_aws() as served:
        yield served


@pytest.mark.parametrize(
    ("service_code", "quota_code", "value"),
    [
        ("elasticloadbalancing", "L-7EED9B64", 100),
        ("elasticloadbalancing", "L-822D1B1B", 100),
        ("ecs", "L-9EF96962", 5000),
        ("iam", "L-FE177D64", 1000),
    ],
)
def test_a_quota_has_awss_default(aws, service_code, quota_code, value):
    quotas = aws.client("service-quotas")
    assert (
        quotas.get_service_quota(ServiceCode=service_code, QuotaCode=quota_code)["Quota"]["Value"]
        == value
    )


def test_the_quotas_of_a_service_are_listed(aws):
    pages = (
        aws.client("service-quotas")
        .get_paginator("list_service_quotas")
        .paginate(ServiceCode="ecs")
    )
    assert "Services per cluster" in [
        quota["QuotaName"] for page in pages for quota in page["Quotas"]
    ]


def test_an_unknown_quota_is_not_found(aws):
    with refused("NoSuchResourceException"):
        aws.client("service-quotas").get_service_quota(ServiceCode="ecs", QuotaCode="L-00000000")
