"""The arguments of the commands."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from flows.record.outcome import Outcome

__all__ = [
    "add_only",
    "add_plan",
    "add_rehearsal",
    "add_yes",
    "command_parser",
    "each_once",
    "print_json",
]


class _Parser(argparse.ArgumentParser):
    """
    The parser of a command.

    argparse exits with 2 on a bad argument and prints its message on stderr; with `--json` the
    message is in an object on stdout as well.
    """

    _wants_json = False

    def parse_args(  # type: ignore[override]  # argparse's overloads are for other namespaces
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Parse `args`, by default the program's own."""
        given = sys.argv[1:] if args is None else args
        self._wants_json = "--json" in given
        return super().parse_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the arguments, and exit."""
        if self._wants_json:
            print_json(Outcome.refused(message))
        super().error(message)


def print_json(outcome: Outcome) -> None:
    """Print the one JSON object."""
    print(outcome.model_dump_json(), flush=True)


def command_parser(
    verb: str, description: str, *, config_required: bool
) -> argparse.ArgumentParser:
    """
    A parser with the arguments that every command has: CONFIG, `--json` and `--verbose`.

    Args:
        verb: The command's module in flows.
        description: What it does.
        config_required: Whether it needs CONFIG.
    """
    parser = _Parser(prog=f"python -m flows.{verb}", description=description)
    parser.add_argument(
        "config",
        metavar="CONFIG",
        type=Path,
        nargs=None if config_required else "?",
        help="path of the split.yaml",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show Prefect's own log lines too"
    )
    return parser


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add `--plan`."""
    parser.add_argument(
        "--plan",
        action="store_true",
        help="show the plan and exit; 3 if there are changes",
    )


def add_yes(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--yes`."""
    parser.add_argument(
        "--yes",
        action="store_true",
        help=text,
    )


def add_only(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--only`."""
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help=text,
    )


def add_rehearsal(parser: argparse.ArgumentParser) -> Any:
    """Add the options of a rehearsal; returns their group."""
    group = parser.add_argument_group("rehearsal (without CONFIG)")
    group.add_argument(
        "--engine",
        choices=("auto", "docker", "process"),
        default="auto",
        help="container engine; auto is docker where its socket answers, else process",
    )
    return group


def each_once(names: Iterable[str]) -> tuple[str, ...]:
    """The names of a repeatable option, in their order."""
    return tuple(dict.fromkeys(names))
