"""What preflight finds: one line about one thing, and whether the run may begin all the same."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Finding", "errors", "warnings"]


@dataclass(frozen=True)
class Finding:
    """One line that names field, value and remedy."""

    text: str
    stops: bool = True
    """Whether the run may not begin."""


def errors(findings: Iterable[Finding]) -> list[str]:
    """The lines for which the run may not begin, each once."""
    return list(dict.fromkeys(finding.text for finding in findings if finding.stops))


def warnings(findings: Iterable[Finding]) -> list[str]:
    """The other lines, each once."""
    return list(dict.fromkeys(finding.text for finding in findings if not finding.stops))
