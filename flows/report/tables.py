"""
What a run came to, as rows for the terminal, the HTML report and Prefect's artifacts alike.

A row maps a column's heading to text for a person; every row of a table has the same columns.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from flows.record.outcome import Event, Outcome, TrafficOutcome
from flows.report.client_log import Tally

__all__ = [
    "FINAL_STAGES",
    "Row",
    "StageTime",
    "clock",
    "duration",
    "markdown_table",
    "milliseconds",
    "problem_rows",
    "service_rows",
    "stage_durations",
    "traffic_rows",
    "verdict_rows",
    "weight_steps",
]

Row = dict[str, str]

FINAL_STAGES: Final = frozenset({"settled", "returned", "removed", "failed"})
"""Stages that a service does not leave again in the same run."""
_NOTHING: Final = "-"


class StageTime(NamedTuple):
    """One stage of one service."""

    stage: str
    """Its name."""
    started: float
    """Seconds since the epoch."""
    seconds: float
    """How long it took; 0 for a final one."""


def stage_durations(
    events: Sequence[Event], ended: float | None = None
) -> dict[str, list[StageTime]]:
    """
    The stages of each service, in order.

    Args:
        events: The run's events, oldest first.
        ended: Where a stage that is still going on ends, in seconds since the epoch; at the last
            moment if not given.
    """
    last = max((event.time for event in events), default=0.0) if ended is None else ended
    stages: dict[str, list[StageTime]] = {}
    for service in _services_in(events):
        own = [event for event in events if event.service == service and event.kind == "stage"]
        ends = [*(event.time for event in own[1:]), last][: len(own)]
        stages[service] = [
            StageTime(
                event.text,
                event.time,
                0.0 if event.text in FINAL_STAGES else max(0.0, end - event.time),
            )
            for event, end in zip(own, ends, strict=True)
        ]
    return stages


def weight_steps(events: Sequence[Event]) -> dict[str, list[tuple[float, int]]]:
    """Each service's weight changes: seconds since the epoch, and the new percentage."""
    steps: dict[str, list[tuple[float, int]]] = {}
    for event in events:
        if event.kind == "weight" and event.service is not None and event.weight is not None:
            steps.setdefault(event.service, []).append((event.time, event.weight))
    return steps


def service_rows(outcome: Outcome, events: Sequence[Event]) -> list[Row]:
    """One row a service: what it is now, and how it came there."""
    stages, steps = stage_durations(events), weight_steps(events)
    return [
        {
            "service": name,
            "stage": service.stage,
            "weight": _percent(service.weight),
            "steps": " → ".join(str(weight) for _, weight in steps.get(name, ())) or _NOTHING,
            "healthy targets": _text(service.healthy_targets),
            "took": duration(sum(stage.seconds for stage in stages[name]))
            if stages.get(name)
            else _NOTHING,
            "image": _text(service.image),
            "task definition": _text(service.task_definition).rpartition("/")[2],
        }
        for name, service in outcome.services.items()
    ]


def verdict_rows(events: Sequence[Event]) -> list[Row]:
    """One row a check or gate verdict, with the numbers it rests on."""
    return [
        {
            "time": clock(event.time),
            "service": event.service or "monolith",
            "weight": _percent(event.weight),
            "verdict": event.verdict or _NOTHING,
            "what": event.text,
            "numbers": ", ".join(
                f"{name} {_number(value)}" for name, value in event.numbers.items()
            )
            or _NOTHING,
        }
        for event in events
        if event.kind in ("check", "verdict")
    ]


def traffic_rows(traffic: TrafficOutcome, tally: Tally | None = None) -> list[Row]:
    """One row a backend: how much it answered, and how fast where a tally is given."""
    answered = sum(traffic.by_backend.values()) or 1
    return [
        {
            "answered by": backend,
            "answers": f"{count:,}",
            "share": f"{100 * count / answered:.1f} %",
        }
        | (_latencies(tally, backend) if tally else {})
        for backend, count in traffic.by_backend.items()
    ]


def problem_rows(
    outcome: Outcome, events: Sequence[Event], tally: Tally | None = None
) -> list[Row]:
    """
    Everything that went wrong, each once: failed checks and gates, failed services, failed
    requests, the error.
    """
    found = [
        (
            clock(event.time),
            event.service or "monolith",
            str(event.numbers.get("error") or event.text),
        )
        for event in events
        if event.verdict == "fail" or (event.kind == "stage" and event.text == "failed")
    ]
    if tally:
        found += [
            (_NOTHING, "traffic", f"{count:,} failed: {what}")
            for what, count in tally.errors.most_common(10)
        ]
    told = {line for _, _, what in found for line in what.splitlines()}
    # The run's error repeats what its services said.
    left = [line for line in (outcome.error or "").splitlines() if line not in told]
    if left:
        found.append((_NOTHING, "run", "\n".join(left)))
    first: dict[tuple[str, str], str] = {}
    for when, where, what in found:
        first.setdefault((where, what), when)
    return [{"time": when, "where": where, "what": what} for (where, what), when in first.items()]


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a markdown table; empty without rows."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines) + "\n"


def clock(event: float) -> str:
    """Local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(event))


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s`, `2:03:05 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{timedelta(seconds=whole)} h"
    )


def milliseconds(seconds: float | None) -> str:
    """`3.4 ms`, `120 ms`."""
    if seconds is None:
        return _NOTHING
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def _latencies(tally: Tally, backend: str) -> Row:
    return {
        name: milliseconds(tally.latency(backend, share))
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }


def _services_in(events: Sequence[Event]) -> list[str]:
    return list(dict.fromkeys(event.service for event in events if event.service is not None))


def _percent(weight: int | None) -> str:
    return _NOTHING if weight is None else f"{weight} %"


def _text(value: object) -> str:
    return _NOTHING if value is None else str(value)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        shown = ", ".join(str(item) for item in itertools.islice(value, 3))
        more = f" and {len(value) - 3} more" if len(value) > 3 else ""
        return f"{shown}{more}" if value else "none"
    return _text(value)


def _cell(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")
