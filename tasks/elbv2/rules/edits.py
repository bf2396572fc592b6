"""
What others have changed of the rules that this tool wrote: pure, from a rule and its tags.

Each write is recorded in a tag on the rule: its form before and after the write, of which either
may be in force after a killed run. Rules of older versions have no such tag; of them, only what
this tool never writes is known to be somebody else's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tasks.elbv2.rule_matching import Rule, weights_of
from tasks.elbv2.rules.form import Form, form_of, stickiness_of

__all__ = [
    "FORM",
    "PRIORITY",
    "edit_text",
    "edited",
    "edited_actions",
    "forms_tag",
    "recorded_forms",
    "recorded_priority",
]

FORM: Final = "split:form"
"""Tag on a rule: its form before and after this tool's last write."""
PRIORITY: Final = "split:priority"
"""Tag on a path rule: the priority that it was made with."""
_MOST_GROUPS: Final = 2


def forms_tag(*forms: Form) -> dict[str, str]:
    """
    The tag that records a write.

    Args:
        *forms: Those of the rule before and after it.
    """
    texts = dict.fromkeys(str(form) for form in forms)
    return {FORM: ":".join(texts)}


def recorded_forms(tags: Mapping[str, str]) -> list[Form]:
    """The forms before and after this tool's last write; none when it is not recorded."""
    texts = tags.get(FORM, "").split(":")
    return [Form.from_text(text) for text in texts if text]


def recorded_priority(rule: Rule) -> int:
    """The priority that a rule was made with; its own when it is not recorded."""
    text = rule.tags.get(PRIORITY, "")
    return int(text) if text.isdecimal() else rule.priority


def edited(rule: Rule, conditions: Sequence[Mapping[str, Any]] | None = None) -> str | None:
    """
    What somebody else has changed of a path rule.

    Args:
        rule: The rule.
        conditions: Those that the config asks for: a rule that has them is right.

    Returns:
        For a message, e.g. `condition http-request-method GET`; None when nothing was changed.
    """
    found = [*_edited_matches(rule, conditions), *_edited_actions(rule)]
    return ", ".join(found) or None


def edited_actions(rule: Rule) -> str | None:
    """The same, of its actions alone: those are what a write of weights would replace."""
    return ", ".join(_edited_actions(rule)) or None


def edit_text(rule: Rule, change: str) -> str:
    """
    That a rule is not as this tool left it, for a message that goes on with the remedy.

    Args:
        rule: The rule.
        change: Of `edited`.
    """
    owner = f" of service {rule.service}" if rule.service else ""
    return (
        f"{rule.label}{owner} is not as this tool left it: somebody else changed it, it has "
        f"{change}"
    )


def _edited_matches(rule: Rule, conditions: Sequence[Mapping[str, Any]] | None) -> list[str]:
    recorded = recorded_forms(rule.tags)
    accepted = [form.matches for form in recorded]
    if conditions is not None:
        accepted.append(form_of(conditions, ()).matches)
    found = [f"attribute {name}" for name in rule.unknown]
    if rule.form.matches not in accepted:
        found += _changed_matches(rule, known=bool(recorded))
    return found


def _edited_actions(rule: Rule) -> list[str]:
    recorded = recorded_forms(rule.tags)
    if rule.form.actions in [form.actions for form in recorded]:
        return []
    return _changed_actions(rule, known=bool(recorded))


def _changed_matches(rule: Rule, *, known: bool) -> list[str]:
    """
    Conditions and transforms that this tool does not write.

    Args:
        rule: The rule.
        known: Whether those that it wrote are recorded, so that others are somebody else's.
    """
    foreign = [one for one in rule.conditions_read if not one.is_plain_path]
    found = [f"condition {condition}" for condition in foreign]
    found += [f"transform {transform.get('Type')}" for transform in rule.transforms]
    if known and not found:
        found.append(f"conditions that are now {', '.join(rule.path_patterns)}")
    return found


def _changed_actions(rule: Rule, *, known: bool) -> list[str]:
    """Actions, stickiness and target groups that this tool does not write; as above."""
    found = list(_foreign_actions(rule))
    groups = list(weights_of(rule))
    if len(groups) > _MOST_GROUPS or (known and not found):
        found.append(f"target groups that are now {', '.join(groups) or 'none'}")
    return found


def _foreign_actions(rule: Rule) -> Iterator[str]:
    for action in rule.actions:
        if action["Type"] != "forward":
            yield f"action {action['Type']}"
        elif stickiness_of(action) is not None:
            yield "group stickiness"
