"""deployments/iam-policy.json, and what IAM calls the actions of an API."""

import json
from pathlib import Path

__all__ = ["UNSEEN", "allowed_actions", "iam_action"]

_POLICY = Path(__file__).parents[1] / "deployments/iam-policy.json"
_PREFIX = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}

# What AWS checks without a call of that name: pushes to the registry, roles that are handed over,
# tags of a new thing.
UNSEEN = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "iam:PassRole",
}


def allowed_actions():
    """Every action that the policy allows on something."""
    actions = [statement["Action"] for statement in json.loads(_POLICY.read_text())["Statement"]]
    return {
        action for entry in actions for action in ([entry] if isinstance(entry, str) else entry)
    }


def iam_action(service, operation):
    """The IAM action of an API operation; `service` is boto3's name for it."""
    return f"{_PREFIX.get(service, service)}:{operation}"
