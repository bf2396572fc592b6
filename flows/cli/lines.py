"""Events as lines of a log."""

from typing import Final

from rich.text import Text

from flows.record.outcome import Event
from flows.report.formats import clock
from flows.report.terminal import STAGE_STYLES

__all__ = ["dated_line", "event_line", "event_text"]

_KIND_STYLES: Final = {"weight": "cyan", "drain": "magenta", "stage": "bold"}
_VERDICT_STYLES: Final = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}


def event_text(event: Event) -> str:
    """The text of an event, with its verdict and its error."""
    error = event.numbers.get("error")
    if event.kind == "stage" and error:
        return f"{event.text}: {error}"
    if event.verdict is None:
        return event.text

    verdict = "FAIL" if event.verdict == "fail" else event.verdict
    return f"{verdict}  {event.text}"


def event_line(event: Event, width: int = 0) -> Text:
    """
    An event as a line of a log, e.g. `12:03:04 users  weight 10%`.

    Args:
        event: What happened.
        width: Characters of the column with the service's name.
    """
    subject = event.service or "monolith"
    head = f"{subject:<{width}}  "
    body = Text(event_text(event), _style(event))
    return dated_line(event.at, head, body)


def _style(event: Event) -> str:
    if event.verdict:
        return _VERDICT_STYLES[event.verdict]
    style = _KIND_STYLES.get(event.kind, "")
    if event.kind == "stage":
        return STAGE_STYLES.get(event.text, style)
    return style


def dated_line(at: float, head: str, body: Text) -> Text:
    """
    Time, head and body; further lines of the body are aligned with its first, and keep their own
    indentation.
    """
    time_of_day = f"{clock(at)} "
    column = len(time_of_day) + len(head)
    line_break = Text("\n" + " " * column)
    lines = line_break.join(body.split("\n"))
    return Text.assemble(
        (time_of_day, "dim"),
        (head, "bold"),
        lines,
    )
