"""What preflight finds: one line about one fault, and whether it stops the run."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Finding", "errors", "warnings"]


@dataclass(frozen=True)
class Finding:
    """One line that names field, value and remedy."""

    text: str
    stops: bool = True
    """Whether the run must not begin."""


def errors(findings: Iterable[Finding]) -> list[str]:
    """The lines for which the run must not begin, each once."""
    return list(dict.fromkeys(finding.text for finding in findings if finding.stops))


def warnings(findings: Iterable[Finding]) -> list[str]:
    """The other lines, each once."""
    return list(dict.fromkeys(finding.text for finding in findings if not finding.stops))
