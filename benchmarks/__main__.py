"""
Measures, prints and writes to build/bench.json what a split takes on this machine.

    make bench

All figures of one line are of one run on one machine; targets are what the project set itself for
two cores.
"""

import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.programs import proportional_memory, run, running_client, running_sandbox
from benchmarks.spent import spent
from benchmarks.waiting import compare_waiting
from config.load import load_config
from flows.cli.rehearsal import client_paths

_OUTPUT: Final = Path("build/bench.json")
_STARTS: Final = 3
_RATE: Final = 250.0


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    target: str = ""


def main() -> int:
    """Measure one thing after the other; exit code 0 whatever the figures are."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="split-bench-") as name:
        folder = Path(name)
        home = folder / "prefect"
        home.mkdir()
        environment = {"PREFECT_HOME": str(home)}
        # The first two warm what a user's second run finds warm: the image store, and the Prefect
        # database.
        for measure in (_starting, _splitting_twice, _rehearsing, _waiting):
            print(
                f"benchmarks: {measure.__name__.strip('_').replace('_', ' ')}",
                file=sys.stderr,
                flush=True,
            )
            figures += measure(folder, environment)
    _write(figures)
    _print(figures)
    return 0


def _starting(folder: Path, _environment: dict[str, str]) -> list[Figure]:
    times = []
    for _ in range(_STARTS):
        with running_sandbox(folder) as sandbox:
            times.append(sandbox.ready_after)
            memory = proportional_memory(sandbox.pid)
    return [
        Figure("sandbox ready, median of 3", median(times), "s", "< 3"),
        Figure("sandbox ready, forum in it: memory", memory, "MiB"),
    ]


def _splitting_twice(folder: Path, environment: dict[str, str]) -> list[Figure]:
    with running_sandbox(folder) as sandbox:
        config = sandbox.state["config"]
        paths = client_paths(load_config(Path(config)))
        arguments = ("flows.split", config, "--report", str(folder / "report.html"))
        with running_client(sandbox, paths, _RATE, folder) as seen:
            first = run(folder, *arguments, environment=environment)
            made = len(sandbox.calls())
            second = run(folder, *arguments, environment=environment)
            changes = sum(call["mutating"] for call in sandbox.calls()[made:])
        memory = proportional_memory(sandbox.pid)
    return [
        Figure("split of a config", first.seconds, "s"),
        Figure("the same again", second.seconds, "s"),
        Figure("the same again, of the first", second.seconds / first.seconds, "", "< 0.33"),
        Figure("the same again: changing calls", changes, "", "0"),
        Figure("client: requests a second", seen["rate"], "1/s", ">= 200"),
        Figure("client: failed requests", seen["failed"], "", "0"),
        Figure("split: peak memory", first.peak_memory, "MiB"),
        Figure("sandbox after it: memory", memory, "MiB"),
    ]


def _rehearsing(folder: Path, environment: dict[str, str]) -> list[Figure]:
    arguments = ("--engine", "process", "--report", str(folder / "report.html"))
    whole = run(folder, "flows.split", *arguments, environment=environment)
    parts = spent(Path(environment["PREFECT_HOME"]), whole.seconds)
    targets = {"all but images and health checks": "<= 15"}
    traffic = whole.outcome["traffic"]
    return [
        Figure("rehearsal, start to exit", whole.seconds, "s", "< 60"),
        *(
            Figure(f"  of it {name}", seconds, "s", targets.get(name, ""))
            for name, seconds in parts.items()
        ),
        Figure("rehearsal: requests", traffic["requests"], ""),
        Figure("rehearsal: failed requests", traffic["failed"], "", "0"),
    ]


def _waiting(folder: Path, _environment: dict[str, str]) -> list[Figure]:
    with running_sandbox(folder) as sandbox:
        found = compare_waiting(sandbox)
    return [
        Figure(f"roll-out seen healthy, {who}: {what}", value, "s" if what == "seconds" else "")
        for who, numbers in found.items()
        for what, value in numbers.items()
    ]


def _write(figures: list[Figure]) -> None:
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    _OUTPUT.parent.mkdir(exist_ok=True)
    content = {"machine": machine, "figures": [asdict(figure) for figure in figures]}
    _OUTPUT.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _print(figures: list[Figure]) -> None:
    table = Table(
        title=f"{os.cpu_count()} cores, Python {platform.python_version()}, embedded engine"
    )
    table.add_column("measured")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("target")
    for figure in figures:
        shown = f"{figure.value:.2f}" if figure.unit or figure.value % 1 else f"{figure.value:.0f}"
        table.add_row(figure.name, shown, figure.unit, figure.target)
    Console().print(table)
    print(f"written to {_OUTPUT}")


if __name__ == "__main__":
    sys.exit(main())
