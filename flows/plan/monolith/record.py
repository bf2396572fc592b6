"""A drained monolith without a record of what it was: what to do about it."""

from collections.abc import Iterable, Sequence

from config.monolith import FixedResponse, ForwardTo
from config.split import SplitConfig
from tasks.autoscaling.scaling import Suspension
from tasks.aws.tags import CONFIG
from tasks.discovery import Monolith
from tasks.ecs.size_record import COUNT, SizeRecord, own_path_rules, recorded_size
from tasks.elbv2.default_action import TAKEN_OVER
from tasks.elbv2.rule_matching import Rule, users_rules, weights_of
from tasks.elbv2.weights import is_returned

__all__ = ["why_not_restorable"]


def why_not_restorable(
    config: SplitConfig, monolith: Monolith, listener_arn: str, rules: Sequence[Rule]
) -> str | None:
    """
    Why a rollback could not restore a drained monolith, with the remedy; None when it could.

    Args:
        config: The split.
        monolith: As it runs.
        listener_arn: The listener.
        rules: All of its rules.
    """
    own = own_path_rules(rules, config.name)
    is_serving = not all(is_returned(rule, monolith.target_group_arn) for rule in own)
    if monolith.desired_count > 0 or not is_serving:
        return None
    if recorded_size(monolith.tags, rules, config.name):
        return None
    text = (
        f"{monolith.service} has desired count 0, and no tag records the size that a rollback "
        "restores; other tools, e.g. Terraform, remove tags that they do not know. Record it with "
        f"`{_size_command(config, monolith)}`, with its former number of tasks for N"
    )
    handed_over = _handed_over(config, monolith, own, rules)
    if handed_over:
        labels = ", ".join(rule.label for rule in handed_over)
        command = _rules_command(config, listener_arn, handed_over)
        text += f"; if {labels} forwarded to it before, record that with `{command}`"
    return f"{text}; then run again"


def _size_command(config: SplitConfig, monolith: Monolith) -> str:
    """The command that records a monolith's size; nothing of its scaling was suspended before."""
    suspension = Suspension.none() if monolith.scaling else None
    tags = {**SizeRecord(0, suspension).tags, COUNT: "N", CONFIG: config.name}
    words = [f"'key={key},value={value}'" for key, value in tags.items()]
    return f"aws ecs tag-resource --resource-arn {monolith.service_arn} --tags {' '.join(words)}"


def _rules_command(config: SplitConfig, listener_arn: str, rules: Iterable[Rule]) -> str:
    """The command that records rules as taken over; the default action's tag is the listener's."""
    arns = [listener_arn if rule.is_default else rule.arn for rule in rules]
    return (
        f"aws elbv2 add-tags --resource-arns {' '.join(arns)} "
        f"--tags Key={TAKEN_OVER},Value={config.name}"
    )


def _handed_over(
    config: SplitConfig, monolith: Monolith, own: Sequence[Rule], rules: Sequence[Rule]
) -> list[Rule]:
    """The rules of others that do what `default_action` would have made of the monolith's."""
    action = config.monolith.default_action
    others = [rule for rule in users_rules(rules) if not rule.is_made_by_this_tool]
    match action:
        case ForwardTo(service=service):
            groups = _groups_of(service, own) - {monolith.target_group_arn}
            return [rule for rule in others if weights_of(rule) and set(weights_of(rule)) <= groups]
        case FixedResponse(status_code=code):
            return [rule for rule in others if _fixed_status(rule) == code]
        case _:
            return []


def _groups_of(service: str, own: Sequence[Rule]) -> set[str]:
    """The target groups that a service's path rules forward to."""
    groups: set[str] = set()
    for rule in own:
        if rule.service == service:
            groups.update(weights_of(rule))
    return groups


def _fixed_status(rule: Rule) -> str | None:
    """The status that a rule answers by itself; None when it does not."""
    for action in rule.actions:
        response = action.get("FixedResponseConfig")
        if response:
            return str(response["StatusCode"])
    return None
