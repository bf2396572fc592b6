"""The time axis that all charts share."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from flows.record.outcome import Event

__all__ = ["TimeAxis", "axis_time", "event_time"]

_LEAST_MARGIN: Final = 84
_MOST_MARGIN: Final = 240
_TRANSPARENT: Final = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class TimeAxis:
    """The run's time from left to right."""

    start: float
    """Seconds since the epoch."""
    end: float
    """Likewise."""
    margin: int
    """Pixels for the names to the left of it."""

    def share(self, event: Event) -> float:
        """Where on the axis an event is, from 0 to 1."""
        elapsed = event.at - self.start
        return elapsed / self.seconds

    @classmethod
    def of(cls, started: float, ended: float, names: Iterable[str]) -> "TimeAxis":
        """
        At least a second long, with a margin that the longest name fits into.

        Args:
            started: When the run began, in seconds since the epoch.
            ended: When it ended.
            names: To the left of the axis.
        """
        longest = max((len(name) for name in names), default=0)
        margin = 20 + 8 * longest
        return cls(
            start=started,
            end=max(ended, started + 1),
            margin=max(_LEAST_MARGIN, min(_MOST_MARGIN, margin)),
        )

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def layout(self, *, height: int, hovermode: str) -> dict[str, Any]:
        """
        What the charts have in common; the page adds the colours of text and grid, which follow
        its theme.

        Args:
            height: In pixels.
            hovermode: As Plotly names it.
        """
        return {
            "height": height,
            "hovermode": hovermode,
            "margin": {"l": self.margin, "r": 16, "t": 34, "b": 30},
            "paper_bgcolor": _TRANSPARENT,
            "plot_bgcolor": _TRANSPARENT,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "bgcolor": _TRANSPARENT,
            },
            "xaxis": self._time_scale(),
            "yaxis": {"fixedrange": True, "zeroline": False},
            "template": "none",
        }

    def _time_scale(self) -> dict[str, Any]:
        return {
            "range": [axis_time(self.start), axis_time(self.end)],
            "type": "date",
            "tickformat": "%H:%M:%S",
            "hoverformat": "%H:%M:%S",
            "fixedrange": False,
            "zeroline": False,
        }


def event_time(event: Event) -> str:
    """An event's place on a date axis."""
    return axis_time(event.at)


def axis_time(seconds: float) -> str:
    """
    Local time as Plotly's date axis takes it, so that charts and tables agree.

    Args:
        seconds: Since the epoch.
    """
    local = datetime.fromtimestamp(seconds, UTC).astimezone()
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds")
