"""
The OCI registry behind ECR: real clients push to it and pull from it, ECR's state decides what is
there.
"""

from sandbox.registry.credentials import pull_credentials
from sandbox.registry.registry import Registry

__all__ = ["Registry", "pull_credentials"]
