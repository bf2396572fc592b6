"""What a teardown of a service deletes, and what prevents it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from flows.report.tables import Row
from tasks.elbv2.rule_matching import Rule, weights_of
from tasks.state.owned import OwnedResources

__all__ = ["foreign_rules", "removal_rows"]

_DETAILS: Final[Mapping[str, str]] = {
    "log group": "with everything in it",
    "ECR repository": "with its images",
}


def removal_rows(owned: OwnedResources) -> list[Row]:
    """The rows of a plan that removes everything of a service, in order."""
    return [_row(owned.service, kind, name) for kind, name in owned.resources]


def _row(service: str, kind: str, name: str) -> Row:
    return {
        "service": service,
        "resource": kind,
        "name": name,
        "action": "delete",
        "details": _DETAILS.get(kind, ""),
    }


def foreign_rules(owned: Iterable[OwnedResources], rules: Sequence[tuple[str, Rule]]) -> list[str]:
    """
    Why target groups cannot be deleted: rules that the split did not create forward to them.

    Args:
        owned: Of the services.
        rules: Every rule of the load balancers, with its place.
    """
    reasons = []
    for item in owned:
        created = {rule.arn for rule in (*item.path_rules, *item.private_rules)}
        foreign = [
            (where, rule)
            for where, rule in rules
            if item.target_group_arn in weights_of(rule) and rule.arn not in created
        ]
        reasons += [_reason(item, where, rule) for where, rule in foreign]
    return reasons


def _reason(owned: OwnedResources, where: str, rule: Rule) -> str:
    return (
        f"{rule.label} on {where} forwards to target group {owned.target_group}, but was not "
        f"created for {owned.service}: forward it elsewhere, then run again"
    )
