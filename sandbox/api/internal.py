"""The sandbox's own AWS clients, and its account and region."""

import threading
from functools import lru_cache
from typing import Any, Final

import boto3
from botocore.config import Config

from sandbox.api.call import INTERNAL_KEY

__all__ = ["ACCOUNT", "REGION", "internal_client"]

ACCOUNT: Final = "123456789012"
"""moto's account id."""
REGION: Final = "us-east-1"

_MAKING_CLIENT: Final = threading.Lock()


def internal_client(endpoint_url: str, service: str) -> Any:
    """A boto3 client whose calls are not recorded and meet no faults; safe in any thread."""
    with _MAKING_CLIENT:  # boto3's default session is not safe to use from several threads at once
        return _client(endpoint_url, service)


@lru_cache(maxsize=64)
def _client(endpoint_url: str, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=INTERNAL_KEY,
        aws_secret_access_key=INTERNAL_KEY,
        config=Config(max_pool_connections=16, retries={"total_max_attempts": 1}),
    )
