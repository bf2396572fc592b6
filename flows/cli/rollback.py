"""The command lines of rollback and teardown."""

import argparse
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from config.errors import PreflightFailed
from config.load import load_config
from config.split import SplitConfig
from flows.cli.command import common_parser
from flows.cli.run import WatchedRun, run_watched
from flows.plan.options import RollbackOptions, TeardownOptions
from flows.record.outcome import Outcome
from tasks.aws.call import call
from tasks.aws.credentials import read_account

__all__ = ["check_names", "run_rollback_command", "run_teardown_command"]

_ROLLBACK: Final = (
    "Send paths back to the monolith, at any time after a split: first the monolith's recorded "
    "size, its health and "
    "its rules, then the weights."
)
_TEARDOWN: Final = (
    "Remove exactly what the split of CONFIG has made. Refused while anything of it serves "
    "users, and while the "
    "monolith is drained: roll back first."
)


def check_names(config: SplitConfig, only: Iterable[str]) -> None:
    """
    See that names are services of the config.

    Raises:
        PreflightFailed: Some are not.
    """
    known = ", ".join(sorted(service.name for service in config.services))
    strangers = [name for name in only if name not in [service.name for service in config.services]]
    if strangers:
        raise PreflightFailed(
            "\n".join(
                f"--only: {name} is no service here; choose from {known}" for name in strangers
            )
        )


def run_rollback_command(
    rollback: Callable[[SplitConfig, RollbackOptions, str | None], Awaitable[Outcome]],
    argv: Sequence[str] | None = None,
) -> int:
    """
    Run the command to its end.

    Args:
        rollback: The flow.
        argv: Arguments; the program's own when None.

    Returns:
        The exit code.
    """
    parser = _parser("rollback", _ROLLBACK)
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="send this service's paths back only; repeatable",
    )
    parser.add_argument(
        "--remove", action="store_true", help="remove what was made for the services afterwards"
    )
    arguments = parser.parse_args(argv)
    options = RollbackOptions(
        only=tuple(dict.fromkeys(arguments.only)),
        remove=arguments.remove,
        yes=arguments.yes,
        plan_only=arguments.plan,
    )

    def start(config: SplitConfig, account_id: str) -> Awaitable[Outcome]:
        return rollback(config, options, account_id)

    return _run(arguments, "rollback to", start, options.only)


def run_teardown_command(
    teardown: Callable[[SplitConfig, TeardownOptions, str | None], Awaitable[Outcome]],
    argv: Sequence[str] | None = None,
) -> int:
    """
    Run the command to its end.

    Args:
        teardown: The flow.
        argv: Arguments; the program's own when None.

    Returns:
        The exit code.
    """
    arguments = _parser("teardown", _TEARDOWN).parse_args(argv)
    options = TeardownOptions(yes=arguments.yes, plan_only=arguments.plan)

    def start(config: SplitConfig, account_id: str) -> Awaitable[Outcome]:
        return teardown(config, options, account_id)

    return _run(arguments, "teardown beside", start)


def _parser(program: str, description: str) -> argparse.ArgumentParser:
    parser = common_parser(program, description, config_required=True)
    parser.add_argument(
        "--plan",
        action="store_true",
        help="only say what would happen; exit code 3 if anything would",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="agree beforehand; needed for deleting where no one is asked",
    )
    return parser


def _run(
    arguments: argparse.Namespace,
    words: str,
    start: Callable[[SplitConfig, str], Awaitable[Outcome]],
    only: Sequence[str] = (),
) -> int:
    """
    Look at what can be told at once, as Prefect's start takes seconds; then run the flow under the
    screen.
    """
    watched = WatchedRun(live=not arguments.json, verbose=arguments.verbose)

    async def work() -> Outcome:
        config = load_config(arguments.config)
        check_names(config, only)
        account_id = await call(read_account, config.aws)
        names = [service.name for service in config.services if not only or service.name in only]
        title = f"{config.name}: {words} {config.monolith.service} in {config.cluster}"
        return await watched.watch(title, names, lambda: start(config, account_id))

    return run_watched(arguments, watched, work)
