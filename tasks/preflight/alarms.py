"""CloudWatch alarms used as gates: whether they exist, and are not in ALARM before the run."""

from collections.abc import Mapping

from tasks.preflight.finding import Finding

__all__ = ["check_alarms"]


def check_alarms(
    wanted: Mapping[str, str], states: Mapping[str, str], *, only_told: bool = False
) -> list[Finding]:
    """
    Find alarms that cannot be a gate, or that would roll the first step back at once.

    Args:
        wanted: Field of the config by alarm name.
        states: State by alarm name, from `tasks.cloudwatch.alarms.read_alarms`.
        only_told: Whether the gates only report.
    """
    findings = []
    for name, field in wanted.items():
        if name not in states:
            text = (
                f"{field}: alarm {name} does not exist in this region and account; create it, or "
                "take it out"
            )
            findings.append(Finding(text))
        elif states[name] == "ALARM":
            text = (
                f"{field}: alarm {name} is in ALARM already, so the first step would be rolled "
                "back at once; see to its cause, or take it out"
            )
            findings.append(Finding(text, stops=not only_told))
    return findings
