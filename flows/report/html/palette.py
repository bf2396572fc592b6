"""Colours after Okabe and Ito, legible on light and dark backgrounds and to the colour-blind."""

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Final, NamedTuple

__all__ = ["FAILED", "MONOLITH", "NEUTRAL", "VERDICTS", "Mark", "Palette", "see_through"]

MONOLITH: Final = "#8a929e"
FAILED: Final = "#d9480f"
NEUTRAL: Final = "#808790"
_SERVICES: Final = ("#2f8fd0", "#e69f00", "#12a579", "#cc79a7", "#8f7ad6", "#a6761d", "#56b4e9")
_OTHERS: Final = (MONOLITH, "#b5bbc4", "#636b76")


class Mark(NamedTuple):
    """What marks a verdict in a chart; the shape alone is enough to identify it."""

    colour: str
    """As `#rrggbb`."""
    shape: str
    """As Plotly names it."""
    size: int
    """In pixels."""


VERDICTS: Final = {
    "pass": Mark("#12a579", "circle", 8),
    "inconclusive": Mark("#e69f00", "triangle-up", 12),
    "fail": Mark(FAILED, "x", 12),
}
"""The mark of each verdict, the worst last."""


class Palette:
    """
    A colour for each service, and a grey for each other backend: the monolith, the load balancer.

    Args:
        services: Names of the services.
        backends: Names of all backends, services among them or not.
    """

    def __init__(self, services: Sequence[str], backends: Iterable[str] = ()) -> None:
        others = [name for name in backends if name not in services]

        self.services = dict(zip(services, cycle(_SERVICES), strict=False))
        """By service."""
        self.backends = dict(zip(others, cycle(_OTHERS), strict=False))
        """By backend, in the order in which areas are stacked: services last."""
        self.backends.update(self.services)


def see_through(colour: str, opacity: float) -> str:
    """
    The colour as `rgba(…)`.

    Args:
        colour: As `#rrggbb`.
        opacity: 0 to 1.
    """
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red},{green},{blue},{opacity})"
