"""The arguments of a split."""

import argparse
from pathlib import Path
from typing import Final

from flows.cli.arguments import (
    add_only,
    add_plan,
    add_rehearsal,
    add_yes,
    command_parser,
    each_once,
)
from flows.plan.options import SplitOptions

__all__ = ["split_options", "split_parser"]

_RATE: Final = 250.0
_REPORT: Final = Path("split-report.html")


def split_parser() -> argparse.ArgumentParser:
    """Its parser."""
    parser = command_parser(
        "split",
        "Move services out of the monolith, path by path, without one failed request. Without "
        "CONFIG: rehearse that on an embedded AWS with a sample application.",
        config_required=False,
    )
    add_plan(parser)
    add_only(parser, "move only this service; repeatable")
    parser.add_argument("--no-drain", action="store_true", help="do not drain the monolith")
    add_yes(parser, "skip confirmation of what the config wants approved")
    parser.add_argument(
        "--adopt",
        metavar="NAME",
        action="append",
        default=[],
        help="adopt existing resources with this service's names; repeatable",
    )
    parser.add_argument(
        "--report",
        metavar="PATH",
        type=Path,
        default=_REPORT,
        help=f"where to write the HTML report (default: {_REPORT})",
    )
    rehearsal = add_rehearsal(parser)
    rehearsal.add_argument(
        "--rate",
        metavar="N",
        type=float,
        default=_RATE,
        help=f"requests per second of the live client (default: {_RATE:g})",
    )
    rehearsal.add_argument(
        "--keep", action="store_true", help="leave the sandbox running at the end"
    )
    return parser


def split_options(arguments: argparse.Namespace) -> SplitOptions:
    """The options of the flow."""
    return SplitOptions(
        only=each_once(arguments.only),
        drain=not arguments.no_drain,
        yes=arguments.yes,
        adopt=each_once(arguments.adopt),
        plan_only=arguments.plan,
    )
