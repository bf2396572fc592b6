"""Places labels along a time axis so that none covers another."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Label", "place_labels"]


class Label(NamedTuple):
    """The space that a label needs, both as shares (0 to 1) of the axis."""

    begin: float
    """Where it begins."""
    width: float
    """How wide it is."""
    is_first: bool = False
    """Whether it is placed before the others."""

    @property
    def end(self) -> float:
        """Where it ends."""
        return self.begin + self.width

    def overlaps(self, other: "Label") -> bool:
        """Whether one would cover the other."""
        return self.begin < other.end and other.begin < self.end

    def is_clear_of(self, others: Iterable["Label"]) -> bool:
        """Whether it overlaps none of the others."""
        return not any(self.overlaps(other) for other in others)


def place_labels(labels: Sequence[Label], levels: int) -> list[int | None]:
    """
    Give each label the lowest level on which it is free.

    Args:
        labels: Earlier ones take precedence.
        levels: How many labels fit above each other.

    Returns:
        The level of each, from 0; None for one that fits nowhere and is best left out.
    """
    taken: list[list[Label]] = [[] for _ in range(levels)]
    order = sorted(range(len(labels)), key=lambda number: not labels[number].is_first)

    placed = {}
    for number in order:
        placed[number] = _take_level(labels[number], taken)
    return [placed[number] for number in range(len(labels))]


def _take_level(label: Label, taken: Iterable[list[Label]]) -> int | None:
    """Put the label on the lowest level on which it covers no other."""
    for level, others in enumerate(taken):
        if label.is_clear_of(others):
            others.append(label)
            return level
    return None
