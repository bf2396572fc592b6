"""boto3 clients: one per service and AWS config, paced below what AWS allows an account."""

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import boto3
import botocore.session
from botocore.config import Config

from config.aws import AwsConfig
from tasks.aws.call import THREADS
from tasks.aws.rate_limit import pace
from tasks.aws.retry import retry_read

if TYPE_CHECKING:  # the stubs are for development only, and take half a second to import
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sts import STSClient

__all__ = ["IAM_ACTION", "client", "core_session"]

IAM_ACTION: Final = "IamAction"
"""Key in a response's `ResponseMetadata`: the call's IAM action, e.g. `ecs:DescribeServices`."""

# botocore's own retries are off: see `tasks.aws.retry`.
_BOTO: Final = Config(
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=THREADS,
    user_agent_extra="ecs-splitter",
)
# A run's first call goes to STS, so a wrong address is reported within seconds.
_BOTO_OF: Final = {"sts": _BOTO.merge(Config(read_timeout=5, connect_timeout=4))}
_MAKING: Final = threading.Lock()


@overload
def client(
    aws: AwsConfig, service: Literal["application-autoscaling"]
) -> "ApplicationAutoScalingClient": ...
@overload
def client(aws: AwsConfig, service: Literal["cloudwatch"]) -> "CloudWatchClient": ...
@overload
def client(aws: AwsConfig, service: Literal["ec2"]) -> "EC2Client": ...
@overload
def client(aws: AwsConfig, service: Literal["ecr"]) -> "ECRClient": ...
@overload
def client(aws: AwsConfig, service: Literal["ecs"]) -> "ECSClient": ...
@overload
def client(aws: AwsConfig, service: Literal["elbv2"]) -> "ElasticLoadBalancingv2Client": ...
@overload
def client(aws: AwsConfig, service: Literal["iam"]) -> "IAMClient": ...
@overload
def client(aws: AwsConfig, service: Literal["logs"]) -> "CloudWatchLogsClient": ...
@overload
def client(aws: AwsConfig, service: Literal["secretsmanager", "ssm"]) -> Any: ...
@overload
def client(aws: AwsConfig, service: Literal["service-quotas"]) -> "ServiceQuotasClient": ...
@overload
def client(aws: AwsConfig, service: Literal["sts"]) -> "STSClient": ...
def client(aws: AwsConfig, service: str) -> Any:
    """
    Return the boto3 client for a service, made once.

    Raises:
        botocore.exceptions.ProfileNotFound: The profile is in none of boto3's files.
    """
    with _MAKING:  # boto3 sessions are not safe to use from several threads at once
        return _client(aws, service)


@lru_cache(maxsize=256)
def _client(aws: AwsConfig, service: str) -> Any:
    """Make a client, with hooks for its pace, its retries and its errors."""
    config = _BOTO_OF.get(service, _BOTO)
    session: Any = _session(aws)
    made = session.client(service, endpoint_url=aws.endpoint_url, config=config)
    events = made.meta.events
    events.register(
        "before-call",
        lambda model, **_: pace(aws, service, model.name),
        unique_id=f"pace-{service}",
    )
    events.register("needs-retry", retry_read, unique_id=f"retry-{service}")
    events.register("after-call", _add_iam_action, unique_id=f"action-{service}")
    return made


def _add_iam_action(parsed: Any, model: Any, **_: Any) -> None:
    """Name the IAM action: botocore's errors name the operation, without IAM's service prefix."""
    prefix = model.service_model.signing_name
    if prefix == "monitoring":
        prefix = "cloudwatch"
    metadata = parsed.setdefault("ResponseMetadata", {})
    metadata[IAM_ACTION] = f"{prefix}:{model.name}"


def core_session(aws: AwsConfig) -> botocore.session.Session:
    """
    Return the botocore session whose credentials the clients use.

    Raises:
        botocore.exceptions.ProfileNotFound: The profile is in none of boto3's files.
    """
    with _MAKING:
        session: Any = _session(aws)
    core: botocore.session.Session = session._session  # noqa: SLF001 - boto3 has no other way
    return core


@lru_cache(maxsize=16)
def _session(aws: AwsConfig) -> boto3.Session:
    """Make a session with the configured profile and credentials file."""
    core = botocore.session.Session(profile=aws.profile)
    file = aws.shared_credentials_file
    if file:
        core.set_config_variable("credentials_file", str(file))
    return boto3.Session(
        botocore_session=core,
        region_name=aws.region,
    )
