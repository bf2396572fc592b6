"""The HTML report: one file that holds everything, and reads well on its own, offline."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from plotly.offline import get_plotlyjs

from flows.record.outcome import Event, Outcome
from flows.report.client_log import LoggedRequest
from flows.report.html.charts import Span, latency_chart, traffic_chart, weights_chart
from flows.report.html.lanes import lanes_chart
from flows.report.html.markup import badge, chart, definition, section, stage_bar, table, tile
from flows.report.html.palette import NEUTRAL, colours
from flows.report.html.series import TrafficSeries, collect_series
from flows.report.summary import headline, next_steps
from flows.report.tables import (
    Row,
    clock,
    duration,
    milliseconds,
    problem_rows,
    service_rows,
    stage_durations,
    traffic_rows,
    verdict_rows,
)

__all__ = ["render_report", "write_report"]

_HERE: Final = Path(__file__).parent


def write_report(
    path: Path,
    outcome: Outcome,
    events: Sequence[Event],
    answers: Iterable[LoggedRequest] = (),
    *,
    title: str,
    started: float,
    ended: float,
) -> None:
    """
    Write a run's report to a file.

    Args:
        path: Where to; a file that is there is replaced.
        outcome: What the run came to.
        events: Its events, oldest first.
        answers: The live client's record; none where no client ran.
        title: What the run was, in a few words.
        started: When it began, in seconds since the epoch.
        ended: When it ended.
    """
    page = render_report(outcome, events, answers, title=title, started=started, ended=ended)
    path.write_text(page, encoding="utf-8")


def render_report(
    outcome: Outcome,
    events: Sequence[Event],
    answers: Iterable[LoggedRequest],
    *,
    title: str,
    started: float,
    ended: float,
) -> str:
    """The page that `write_report` writes."""
    left = max(84, min(240, 20 + 8 * max(map(len, outcome.services), default=0)))
    span = Span(started, max(ended, started + 1), left)
    report = _Report(outcome, events, collect_series(answers, started, ended), span)
    # A "<" in the data could end the script element.
    figures = json.dumps(report.figures).replace("<", "\\u003c")
    return Template(_read("page.html")).substitute(
        title=escape(title),
        style=_read("page.css"),
        body="\n".join(report.sections(title)),
        plotly=get_plotlyjs(),
        figures=figures,
        script=_read("page.js"),
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Report:
    """One run's page, piece by piece."""

    outcome: Outcome
    events: Sequence[Event]
    series: TrafficSeries
    span: Span

    @cached_property
    def services(self) -> list[str]:
        """Names of the services that the page speaks of."""
        told = (event.service for event in self.events if event.service is not None)
        return list(dict.fromkeys([*self.outcome.services, *told]))

    @cached_property
    def colours(self) -> dict[str, str]:
        """By service, and by whoever else answered."""
        return colours(self.services, self.series.rates)

    @cached_property
    def figures(self) -> dict[str, object]:
        """Plotly's description of each chart, by the name of its place."""
        others = [name for name in self.series.rates if name not in self.services]
        order = [*others, *self.services]
        monolith = self.outcome.monolith.service if self.outcome.monolith else "monolith"
        found = {}
        if self.series.times:
            found["traffic"] = traffic_chart(
                self.series, self.events, self.span, self.colours, order
            )
        if self.events:
            found["lanes"] = lanes_chart(
                self.events, self.span, self.colours, self.services, monolith
            )
        if any(event.kind == "weight" for event in self.events):
            found["weights"] = weights_chart(self.events, self.span, self.colours)
        if self.series.times:
            found["latency"] = latency_chart(self.series, self.span, self.colours, order)
        return {name: json.loads(figure.to_json()) for name, figure in found.items()}

    def sections(self, title: str) -> list[str]:
        """The page from top to bottom; what there is nothing to say about is left out."""
        return [
            self._header(title),
            self._tiles(),
            self._problems(),
            self._timeline(),
            self._small_charts(),
            self._services(),
            self._answered_by(),
            self._verdicts(),
            self._failures(),
            self._next_steps(),
            self._everything(),
        ]

    def _header(self, title: str) -> str:
        day = datetime.fromtimestamp(self.span.start, UTC).astimezone()
        facts = [f"{day:%d %B %Y}, {clock(self.span.start)} to {clock(self.span.end)} {day:%Z}"]
        facts += [fact for fact in (self.outcome.engine, self.outcome.alb_url) if fact]
        said = escape(headline(self.outcome, self.events))
        return (
            f'<header class="{self.outcome.status}"><p>{escape(title)}</p><h1>{said}</h1>'
            f"<p>{escape(' · '.join(facts))}</p></header>"
        )

    def _tiles(self) -> str:
        outcome, tally = self.outcome, self.series.tally
        settled = sum(service.stage == "settled" for service in outcome.services.values())
        whole = len(outcome.services)
        tiles = (
            [
                tile(
                    "Services settled",
                    f"{settled} of {whole}",
                    "good" if settled == whole else "bad",
                )
            ]
            if whole
            else []
        )
        if outcome.monolith:
            tiles.append(tile("Monolith", "drained" if outcome.monolith.drained else "running"))
        if tally.requests:
            tiles.append(tile("Requests", f"{tally.requests:,}"))
            tiles.append(
                tile("Failed requests", f"{tally.failed:,}", "bad" if tally.failed else "good")
            )
        tiles.append(tile("Took", duration(self.span.end - self.span.start)))
        return f'<dl class="tiles">{"".join(tiles)}</dl>'

    def _problems(self) -> str:
        rows = problem_rows(self.outcome, self.events, self.series.tally)
        return section("Problems", table(rows, texts=("what",)), kind="problems") if rows else ""

    def _timeline(self) -> str:
        places = []
        if "traffic" in self.figures:
            places.append(
                chart(
                    "traffic",
                    f"Answers per second by backend. {headline(self.outcome, self.events)}.",
                )
            )
        if "lanes" in self.figures:
            places.append(
                chart("lanes", "Stages, weight changes and verdicts of each service over time.")
            )
        if not places:
            return ""
        key = (
            '<p class="key">Lines and <b>◆</b> weight change · <b>●</b> check or gate passed · '
            "<b>✕</b> failed · "
            "<b>▲</b> inconclusive · <b>■</b> drain. Point at a mark to read it; drag to zoom, "
            "double-click to go back."
            "</p>"
        )
        words = (
            f"Answers per second by who gave them, in steps of {self.series.bucket} s, and what "
            "was done meanwhile."
        )
        heading = (
            "Who answered, and when" if "traffic" in self.figures else "What happened, and when"
        )
        return section(heading, *places, key, words=words if "traffic" in self.figures else "")

    def _small_charts(self) -> str:
        cards = []
        if "weights" in self.figures:
            words = "Percent of its paths' requests that each service gets."
            cards.append(section("Weights", chart("weights", words), words=words))
        if "latency" in self.figures:
            words = "Median (line) and 95th percentile (dotted), by who answered."
            cards.append(section("Latency", chart("latency", words), words=words))
        return f'<div class="pair">{"".join(cards)}</div>' if cards else ""

    def _services(self) -> str:
        cards = [self._service(row) for row in service_rows(self.outcome, self.events)]
        return section("Services", *cards) if cards else ""

    def _service(self, row: Row) -> str:
        name = row["service"]
        colour = self.colours.get(name, NEUTRAL)
        stages = [stage for stage in stage_durations(self.events).get(name, ()) if stage.seconds]
        facts = {
            "Weight now": row["weight"],
            "Weight steps": row["steps"],
            "Healthy targets": row["healthy targets"],
            "Stages": ", ".join(f"{stage.stage} {duration(stage.seconds)}" for stage in stages)
            or "-",
            "Image": row["image"],
            "Task definition": row["task definition"],
        }
        return (
            f'<div class="service"><h3><i style="background:{colour}"></i>{escape(name)} '
            f"{badge(row['stage'])}</h3>"
            f"{stage_bar(stages, colour)}{definition(facts)}</div>"
        )

    def _answered_by(self) -> str:
        if not self.outcome.traffic and not self.series.tally.requests:
            return ""
        traffic = (
            self.series.tally.outcome() if self.series.tally.requests else self.outcome.traffic
        )
        rows = traffic_rows(traffic, self.series.tally) if traffic else []
        return section(
            "Who answered the live client", table(rows, numbers=("answers", "share", "p50", "p95"))
        )

    def _verdicts(self) -> str:
        rows = verdict_rows(self.events)
        words = "What had to hold before a user reached a service, and at each weight."
        columns = table(rows, numbers=("weight",), texts=("what", "numbers"))
        return section("Checks and gates", columns, words=words) if rows else ""

    def _failures(self) -> str:
        rows = [
            {
                "time": clock(answer.t),
                "path": answer.path,
                "status": str(answer.status or "none"),
                "answered by": answer.answered_by or "nobody",
                "after": milliseconds(answer.latency),
                "error": answer.error or "-",
            }
            for answer in self.series.failures
        ]
        words = f"The first {len(rows)} of {self.series.tally.failed:,}." if rows else ""
        return (
            section("Failed requests", table(rows, numbers=("after",)), words=words) if rows else ""
        )

    def _next_steps(self) -> str:
        steps = next_steps(self.outcome, self.events)
        items = "".join(f"<li>{escape(step)}</li>" for step in steps)
        return section("Where to look next", f'<ul class="next">{items}</ul>') if steps else ""

    def _everything(self) -> str:
        rows = [
            {
                "time": clock(event.time),
                "where": event.service or "monolith",
                "kind": event.kind,
                "what": event.text,
            }
            for event in self.events
        ]
        log = table(rows, texts=("what",))
        return (
            "<section><details><summary>Everything that "
            f"happened</summary>{log}</details></section>"
            if rows
            else ""
        )
