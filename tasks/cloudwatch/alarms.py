"""
CloudWatch alarms that gates rely on: whether they are there, and quiet, before
anything begins.
"""

from collections.abc import Mapping

from tasks.preflight.finding import Finding

__all__ = ["check_alarms"]


def check_alarms(
    wanted: Mapping[str, str], states: Mapping[str, str], *, only_told: bool = False
) -> list[Finding]:
    """
    Alarms that could not be a gate, or that would return traffic at once.

    Args:
        wanted: Field of the config by alarm name.
        states: State by alarm name, of `tasks.gates.read_alarms`.
        only_told: Whether the gates only report.
    """
    missing = [
        Finding(
            f"{field}: alarm {name} does not exist in this region and account; create it, or "
            "take it out",
        )
        for name, field in wanted.items()
        if name not in states
    ]
    ringing = [
        Finding(
            f"{field}: alarm {name} is in ALARM already, so the first step would be returned at "
            "once; "
            "see to its cause, or take it out",
            stops=not only_told,
        )
        for name, field in wanted.items()
        if states.get(name) == "ALARM"
    ]
    return missing + ringing
