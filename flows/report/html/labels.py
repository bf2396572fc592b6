"""Places labels along a time axis so that none covers another."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Label", "place_labels"]


class Label(NamedTuple):
    """The room that a label needs, both as shares (0 to 1) of the axis."""

    begin: float
    """Where it begins."""
    width: float
    """How wide it is."""

    def touches(self, other: "Label") -> bool:
        """Whether the two share room."""
        return self.begin < other.begin + other.width and other.begin < self.begin + self.width


def place_labels(labels: Sequence[Label], levels: int) -> list[int | None]:
    """
    Give each label the lowest level on which it is free; earlier ones choose first.

    Args:
        labels: In any order.
        levels: How many labels fit above each other.

    Returns:
        The level of each, from 0; None for one that fits nowhere and is better left out.
    """
    taken: list[list[Label]] = [[] for _ in range(levels)]
    placed: list[int | None] = []
    for label in labels:
        free = next(
            (level for level, others in enumerate(taken) if not any(map(label.touches, others))),
            None,
        )
        if free is not None:
            taken[free].append(label)
        placed.append(free)
    return placed
