"""Where AWS is: region, account guard, and where boto3 finds what it needs."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from config.base import ConfigModel

__all__ = ["AwsConfig"]


class AwsConfig(ConfigModel):
    """How to reach AWS. Credentials come from boto3's own chain, never from here."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    """AWS region, e.g. `eu-central-1`."""
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """Guard: the run is refused when the credentials belong to another account."""
    profile: str | None = None
    """Profile of the AWS config and credentials files."""
    shared_credentials_file: Path | None = None
    """Another shared credentials file than `~/.aws/credentials`; what is in it stays in it."""
    endpoint_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Endpoint of every AWS API, for AWS-compatible surroundings."""
