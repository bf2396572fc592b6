"""Where AWS is: region, account guard, and where boto3 finds its settings."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from config.base import ConfigModel, relative_to_the_config

__all__ = ["AwsConfig"]


class AwsConfig(ConfigModel):
    """How to reach AWS. Credentials come from boto3's own chain, never from here."""

    region: Annotated[
        str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$", examples=["eu-central-1"])
    ]
    """AWS region, e.g. `eu-central-1`."""
    account_id: Annotated[str, Field(pattern=r"^[0-9]{12}$", examples=["123456789012"])] | None = (
        None
    )
    """Guard: a run with credentials of another account is refused."""
    profile: str | None = None
    """Profile of the AWS config and credentials files."""
    shared_credentials_file: Annotated[Path | None, AfterValidator(relative_to_the_config)] = None
    """Shared credentials file to use instead of `~/.aws/credentials`; it is only read."""
    endpoint_url: (
        Annotated[str, Field(pattern=r"^https?://", examples=["http://127.0.0.1:4566"])] | None
    ) = None
    """Endpoint of every AWS API, for AWS-compatible environments."""
