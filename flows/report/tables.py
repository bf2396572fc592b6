"""
A run as rows, the same for the terminal, the HTML report and Prefect's artifacts.

A row maps a column's heading to its text; all rows of a table have the same columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.record.outcome import Event, Outcome, ServiceOutcome, TrafficOutcome
from flows.report.client_log import LoggedRequest, Tally
from flows.report.formats import NONE, clock, duration, milliseconds, number, percent, text
from flows.report.timeline import StageTime, WeightStep, stage_durations, weight_steps

__all__ = [
    "Row",
    "event_rows",
    "failure_rows",
    "markdown_table",
    "problem_rows",
    "service_rows",
    "traffic_rows",
    "verdict_rows",
]

Row = dict[str, str]

_MONOLITH = "monolith"
_REASONS_SHOWN = 10


def service_rows(outcome: Outcome, events: Sequence[Event]) -> list[Row]:
    """One row a service: its state at the end, and how it got there."""
    stages = stage_durations(events)
    steps = weight_steps(events)
    return [
        _service_row(
            name,
            service,
            stages.get(name, ()),
            steps.get(name, ()),
        )
        for name, service in outcome.services.items()
    ]


def _service_row(
    name: str,
    service: ServiceOutcome,
    stages: Sequence[StageTime],
    steps: Sequence[WeightStep],
) -> Row:
    return {
        "service": name,
        "stage": service.stage,
        "weight": percent(service.weight),
        "steps": _weights(steps),
        "healthy targets": text(service.healthy_targets),
        "duration": _total(stages),
        "image": text(service.image),
        "task definition": text(service.task_definition).rpartition("/")[2],
    }


def _weights(steps: Iterable[WeightStep]) -> str:
    """`10 → 50 → 100`."""
    weights = [str(step.weight) for step in steps]
    return " → ".join(weights) or NONE


def _total(stages: Sequence[StageTime]) -> str:
    """The time that all stages took."""
    if not stages:
        return NONE
    seconds = sum(stage.seconds for stage in stages)
    return duration(seconds)


def verdict_rows(events: Iterable[Event]) -> list[Row]:
    """One row a check or gate verdict, with the numbers it is based on."""
    return [_verdict_row(event) for event in events if event.kind in ("check", "verdict")]


def _verdict_row(event: Event) -> Row:
    return {
        "time": _clock(event),
        "service": event.service or _MONOLITH,
        "weight": percent(event.weight),
        "verdict": event.verdict or NONE,
        "what": event.text,
        "numbers": _numbers(event),
    }


def _numbers(event: Event) -> str:
    """`requests 168, failed 14`."""
    numbers = [f"{name} {number(value)}" for name, value in event.numbers.items()]
    return ", ".join(numbers) or NONE


def traffic_rows(traffic: TrafficOutcome, tally: Tally | None = None) -> list[Row]:
    """One row a backend: its responses and, with a tally, their latencies."""
    rows = []
    total = sum(traffic.by_backend.values())

    for backend, count in traffic.by_backend.items():
        row = {
            "backend": backend,
            "responses": f"{count:,}",
            "share": f"{count / total:.1%}" if total else NONE,
        }
        if tally:
            row.update(_latencies(tally, backend))
        rows.append(row)
    return rows


def _latencies(tally: Tally, backend: str) -> Row:
    median = tally.latency(backend, 0.5)
    p95 = tally.latency(backend, 0.95)
    return {
        "p50": milliseconds(median),
        "p95": milliseconds(p95),
    }


def failure_rows(requests: Iterable[LoggedRequest]) -> list[Row]:
    """One row a failed request."""
    return [
        {
            "time": clock(request.t),
            "path": request.path,
            "status": str(request.status or "none"),
            "backend": text(request.answered_by),
            "latency": milliseconds(request.latency),
            "error": text(request.error),
        }
        for request in requests
    ]


def event_rows(events: Iterable[Event]) -> list[Row]:
    """One row an event."""
    return [
        {
            "time": _clock(event),
            "service": event.service or _MONOLITH,
            "kind": event.kind,
            "what": event.text,
        }
        for event in events
    ]


def problem_rows(
    outcome: Outcome, events: Iterable[Event], tally: Tally | None = None
) -> list[Row]:
    """
    Everything that went wrong, each once: failed checks and gates, failed services, failed
    requests, the run's error.
    """
    rows = [_event_problem(event) for event in events if _is_problem(event)]
    if tally:
        rows += _request_problems(tally)

    error = _unreported(outcome.error or "", rows)
    if error:
        rows.append(_problem("run", error))
    return _without_repeats(rows)


def _is_problem(event: Event) -> bool:
    """Failed services, checks and gates are problems."""
    if event.kind == "stage":
        return event.text == "failed"
    return event.verdict == "fail"


def _event_problem(event: Event) -> Row:
    return _problem(
        where=event.service or _MONOLITH,
        what=str(event.numbers.get("error", event.text)),
        when=_clock(event),
    )


def _request_problems(tally: Tally) -> list[Row]:
    """The most frequent reasons for failed requests."""
    return [
        _problem("traffic", f"{count:,} failed: {reason}")
        for reason, count in tally.errors.most_common(_REASONS_SHOWN)
    ]


def _problem(where: str, what: str, *, when: str = NONE) -> Row:
    return {
        "time": when,
        "where": where,
        "what": what,
    }


def _unreported(error: str, rows: Iterable[Row]) -> str:
    """The lines of a run's error that no row has: it repeats the errors of its services."""
    reported = "\n".join(row["what"] for row in rows)
    known = set(reported.splitlines())

    new = [line for line in error.splitlines() if line not in known]
    return "\n".join(new)


def _without_repeats(rows: Iterable[Row]) -> list[Row]:
    """Of rows about the same thing, the first."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row["where"], row["what"])
        first.setdefault(key, row)
    return list(first.values())


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a markdown table; empty without rows."""
    if not rows:
        return ""

    columns = list(rows[0])
    rule = ["---"] * len(columns)
    lines = [columns, rule, *(row.values() for row in rows)]
    return "".join(_markdown_line(line) for line in lines)


def _markdown_line(values: Iterable[object]) -> str:
    cells = " | ".join(_markdown_cell(value) for value in values)
    return f"| {cells} |\n"


def _markdown_cell(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace("|", "\\|")
    return escaped.replace("\n", "<br>")


def _clock(event: Event) -> str:
    return clock(event.at)
