"""The verdict of a gate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Judgement", "Verdict", "without_open_doubles", "worst"]

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Judgement:
    """The verdict of one gate, and the numbers behind it."""

    gate: str
    verdict: Verdict
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it is undecided."""
        return self.verdict == "inconclusive"


def worst(judgements: Iterable[Judgement]) -> Verdict:
    """Fail if any gate fails, else inconclusive if any is, else pass."""
    verdicts = {judgement.verdict for judgement in judgements}
    if "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def without_open_doubles(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Leave out an undecided comparison of one source where another source has decided it."""
    decided = {item.gate for item in judgements if not item.is_open}

    def is_double(item: Judgement) -> bool:
        is_compared = item.gate.startswith(("latency", "status"))
        return item.is_open and is_compared and item.gate in decided

    return [item for item in judgements if not is_double(item)]
