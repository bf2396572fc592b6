"""On what a run's time went, from its task runs in the Prefect database."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

__all__ = ["spent"]

Span = tuple[float, float]

# Task runs by the beginning of their names.
_KINDS: Final = {
    "image work": ("build image", "push image"),
    "waiting for health checks": ("wait until",),
    "quiet period": ("prove ",),
}
_IDLE: Final = "runs no task"


def spent(prefect_home: Path, seconds: float) -> dict[str, float]:
    """
    Seconds by what they went into, with services side by side counted once.

    Args:
        prefect_home: Folder of the run's Prefect database.
        seconds: Of the whole run, whose flow is the newest one there.

    Returns:
        Seconds by kind: the configured waits, and what is left when they, image work and health
        checks are taken off.
    """
    with closing(
        sqlite3.connect(f"file:{prefect_home / 'prefect.db'}?mode=ro", uri=True)
    ) as database:
        began = database.execute(
            "SELECT max(start_time) FROM flow_run WHERE name LIKE 'split %'"
        ).fetchone()[0]
        rows = database.execute(
            "SELECT name, flow_run_id, start_time, end_time FROM task_run "
            "WHERE start_time >= ? AND end_time IS NOT NULL",
            (began,),
        ).fetchall()
    tasks = [(name, run, _seconds(start), _seconds(end)) for name, run, start, end in rows]
    spans = {
        kind: [
            (start, end)
            for name, _, start, end in tasks
            if name.startswith(words) and not name.endswith(_IDLE)
        ]
        for kind, words in _KINDS.items()
    }
    spans["draining"] = [(start, end) for name, _, start, end in tasks if name.endswith(_IDLE)]
    spans["shifting: observing and baking"] = _shifts(tasks)
    found = {kind: _covered(times) for kind, times in spans.items()}
    forced = _covered(spans["image work"] + spans["waiting for health checks"])
    every = _covered(span for times in spans.values() for span in times)
    return {
        **found,
        "all but images and health checks": seconds - forced,
        "all but images and waits": seconds - every,
    }


def _shifts(tasks: list[tuple[str, str, float, float]]) -> list[Span]:
    """From the first weight of each service to its checks on the public path."""
    spans = []
    for run in {run for name, run, _, _ in tasks if name.startswith("weight ")}:
        first = min(
            start for name, own, start, _ in tasks if own == run and name.startswith("weight ")
        )
        ends = [
            start
            for name, own, start, _ in tasks
            if own == run and name.endswith("on the public route")
        ]
        spans.append((first, min(end for end in ends if end > first)))
    return spans


def _covered(spans: Iterable[Span]) -> float:
    """Seconds that at least one span covers."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _seconds(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()
