"""What preflight finds: one line about one fault, and whether it stops the run."""

from collections.abc import Iterable
from dataclasses import dataclass

from config.errors import BadInput, PreflightFailed

__all__ = ["Finding", "errors", "failure", "refuse", "warnings"]


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


def refuse(lines: Iterable[str]) -> None:
    """
    End the run where there is a finding.

    Raises:
        PreflightFailed: With every finding.
    """
    found = list(lines)
    if found:
        raise failure(found)


def failure(lines: Iterable[str], error: type[BadInput] = PreflightFailed) -> BadInput:
    """
    The error that ends the run.

    Args:
        lines: The findings.
        error: Its kind.
    """
    indented = [f"  {line}" for line in _grouped(lines)]
    return error("\n".join(["preflight failed:", *indented]))


def _grouped(lines: Iterable[str]) -> list[str]:
    """Each line once, and those of one part of the config together, e.g. of `services[0]`."""
    groups: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        field, _, _ = line.partition(":")
        part, _, _ = field.partition(".")
        group = groups.setdefault(part, [])
        group.append(line)
    found: list[str] = []
    for group in groups.values():
        found += group
    return found
