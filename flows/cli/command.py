"""
What the command lines share: arguments, exit codes, JSON on stdout, everything
else on stderr.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import botocore.exceptions

from config.errors import BadInput, SplitterError
from flows.record.events import JOURNAL
from flows.record.outcome import Journal, Outcome
from flows.runtime.cancellation import cancel_once
from tasks.aws.task import transient_reason

__all__ = [
    "CHANGES_PLANNED",
    "DONE",
    "FAILED",
    "REFUSED",
    "common_parser",
    "exit_code",
    "print_json",
    "run_command",
    "say",
]

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
CHANGES_PLANNED: Final = 3


class _Parser(argparse.ArgumentParser):
    """
    argparse exits with 2 by itself; the message goes to stderr, and with `--json` an object to
    stdout as well.
    """

    def error(self, message: str) -> Any:
        """Say what is wrong with the arguments, and leave."""
        if "--json" in sys.argv:
            print_json(Outcome(status="refused", error=message))
        super().error(message)


def common_parser(
    program: str, description: str, *, config_required: bool
) -> argparse.ArgumentParser:
    """The arguments that every command has: CONFIG, `--json` and `--verbose`."""
    parser = _Parser(prog=f"python -m flows.{program}", description=description)
    parser.add_argument(
        "config",
        metavar="CONFIG",
        type=Path,
        nargs=None if config_required else "?",
        help="the split.yaml to work from",
    )
    parser.add_argument(
        "--json", action="store_true", help="print exactly one JSON object on stdout"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show Prefect's own log lines too"
    )
    return parser


def exit_code(error: BaseException | None) -> int:
    """The exit code for how a run ended."""
    if error is None:
        return DONE
    return REFUSED if isinstance(error, BadInput) else FAILED


def print_json(outcome: Outcome, **more: Any) -> None:
    """Print the one object."""
    print(json.dumps(outcome.model_dump(mode="json") | more, default=str), flush=True)


def run_command(
    work: Callable[[], Awaitable[Outcome]], journal: Journal
) -> tuple[Outcome, BaseException | None]:
    """
    Run a command to its end, also when it is interrupted.

    SIGINT and SIGTERM cancel the work, which then brings traffic back to where it is safe, and
    ends.

    Returns:
        The outcome, and what ended the work early.
    """
    JOURNAL.set(journal)
    try:
        return asyncio.run(_interruptible(work)), None
    except asyncio.CancelledError as error:
        return _outcome(journal, "interrupted; run the same command again to go on", error), error
    except (
        SplitterError,
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
    ) as error:
        return _outcome(journal, _words(error), error), error


async def _interruptible(work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    if current is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, cancel_once, current)
    return await work()


def _words(error: BaseException) -> str:
    """AWS's own words are kept; what is transient is said to be."""
    text = str(error)
    if isinstance(error, SplitterError):
        return text
    reason = transient_reason(error)
    remedy = (
        "it was tried several times; run again later"
        if reason
        else "check the permissions of the credentials"
    )
    return f"AWS: {text}; {remedy}"


def _outcome(journal: Journal, words: str, error: BaseException) -> Outcome:
    """What is known of a run that was ended early."""
    known = journal.outcome or Outcome(status="failed")
    status = "refused" if isinstance(error, BadInput) else "failed"
    return known.model_copy(update={"status": status, "error": known.error or words})


def say(text: str) -> None:
    """A line for a person, on stderr."""
    print(text, file=sys.stderr, flush=True)
