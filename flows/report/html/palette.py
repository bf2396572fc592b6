"""Colours that hold on light and on dark ground, and for the colour-blind: after Okabe and Ito."""

from collections.abc import Iterable
from typing import Final

__all__ = ["FAILED", "MONOLITH", "NEUTRAL", "VERDICTS", "colours", "see_through"]

MONOLITH: Final = "#8a929e"
FAILED: Final = "#d9480f"
NEUTRAL: Final = "#808790"
_SERVICES: Final = ("#2f8fd0", "#e69f00", "#12a579", "#cc79a7", "#8f7ad6", "#a6761d", "#56b4e9")
_OTHERS: Final = (MONOLITH, "#b5bbc4", "#636b76")

VERDICTS: Final = {
    "pass": ("#12a579", "circle"),
    "inconclusive": ("#e69f00", "triangle-up"),
    "fail": (FAILED, "x"),
}
"""Colour and shape of each verdict, the worst last: the shape alone has to tell."""


def colours(services: Iterable[str], backends: Iterable[str] = ()) -> dict[str, str]:
    """
    A colour for each service, and greys for whoever else answers: the monolith,
    the load balancer.
    """
    chosen = {name: _SERVICES[number % len(_SERVICES)] for number, name in enumerate(services)}
    others = [name for name in backends if name not in chosen]
    return chosen | {name: _OTHERS[number % len(_OTHERS)] for number, name in enumerate(others)}


def see_through(colour: str, opacity: float) -> str:
    """The colour as `rgba(…)`; opacity 0 to 1."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
