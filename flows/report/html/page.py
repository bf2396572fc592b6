"""The HTML report: one file that needs nothing else, not even a network."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from flows.record.outcome import Event, Outcome
from flows.report.client_log import LoggedRequest, Tally
from flows.report.html.axis import TimeAxis
from flows.report.html.cards import service_cards
from flows.report.html.figures import draw_figures
from flows.report.html.palette import Palette
from flows.report.html.series import collect_series
from flows.report.html.tiles import run_facts, run_tiles
from flows.report.summary import headline, next_steps
from flows.report.tables import (
    Row,
    event_rows,
    failure_rows,
    problem_rows,
    traffic_rows,
    verdict_rows,
)
from flows.report.timeline import services_in

__all__ = ["render_report", "write_report"]


def write_report(
    path: Path,
    outcome: Outcome,
    events: Sequence[Event],
    requests: Iterable[LoggedRequest] = (),
    *,
    title: str,
    started: float,
    ended: float,
) -> None:
    """
    Write a run's report to a file.

    Args:
        path: The file; an existing one is replaced.
        outcome: The run's result.
        events: Its events, oldest first.
        requests: The live client's log; empty where no client ran.
        title: What the run was, in a few words.
        started: When it began, in seconds since the epoch.
        ended: When it ended.
    """
    page = render_report(
        outcome,
        events,
        requests,
        title=title,
        started=started,
        ended=ended,
    )
    path.write_text(page, encoding="utf-8")


def render_report(
    outcome: Outcome,
    events: Sequence[Event],
    requests: Iterable[LoggedRequest],
    *,
    title: str,
    started: float,
    ended: float,
) -> str:
    """The page that `write_report` writes; its parts are in the order of the template."""
    series = collect_series(requests, started, ended)
    axis = TimeAxis.of(started, ended, names=outcome.services)
    services = _service_names(outcome, events)
    palette = Palette(services, series.backends)

    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            status=outcome.status,
            headline=headline(outcome, events),
            facts=run_facts(outcome, axis),
            tiles=run_tiles(outcome, series.tally, axis),
            problems=problem_rows(outcome, events, series.tally),
            bucket_seconds=series.size,
            services=service_cards(outcome, events, palette),
            traffic=_traffic_rows(outcome, series.tally),
            verdicts=verdict_rows(events),
            failures=failure_rows(sorted(series.failures)),
            failed_requests=series.tally.failed,
            next_steps=next_steps(outcome, events),
            events=event_rows(events),
            figures=draw_figures(outcome, events, series, axis, palette),
            plotly=get_plotlyjs(),
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("flows.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _service_names(outcome: Outcome, events: Iterable[Event]) -> list[str]:
    """Those of the outcome, and any others with events."""
    names = [*outcome.services, *services_in(events)]
    return list(dict.fromkeys(names))


def _traffic_rows(outcome: Outcome, tally: Tally) -> list[Row]:
    """With latencies where the client's log is there."""
    if tally.requests:
        return traffic_rows(tally.outcome(), tally)
    if outcome.traffic:
        return traffic_rows(outcome.traffic)
    return []
