"""
Asks a person, in the Prefect UI or on the terminal.

A run on a worker is suspended: its process ends, and the answer, however late, starts it again from
the top, also after a restart of worker and server. It comes to the same question, which then has
its answer. A run of a command line has nobody who would start it again, so it waits.
"""

import asyncio
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from pydantic import Field

from flows.record.events import JOURNAL, emit
from flows.runtime.private_server import on_private_server

__all__ = ["Question", "ask_person", "ask_terminal", "was_asked"]

_YES: Final = ("y", "yes")
_POLL: Final = 2


@dataclass(frozen=True)
class Question:
    """What a person is asked."""

    key: str
    """Names the question within its run: whoever has answered it is not asked again."""
    text: str
    """For example `Drain the monolith?`"""
    patience: float
    """Seconds to wait; no answer is a no."""


class Approval(RunInput):
    """What the person answers."""

    decision: Literal["approve", "refuse"] = Field(
        default="refuse", description="approve to go on, refuse to stop here"
    )
    comment: str = Field(default="", description="why, for the log")


async def ask_person(question: Question, evidence: str, *, yes: bool) -> bool:
    """
    Whether a person agrees.

    Args:
        question: What is asked.
        evidence: Markdown that the decision can rest on.
        yes: Whether the answer was given beforehand.

    Raises:
        Pause: The run is suspended until there is an answer; Prefect's own signal, which ends the
            process.
    """
    if yes:
        emit("note", None, f"{question.text} yes (given beforehand)")
        return True
    if on_private_server():
        return await ask_terminal(question, evidence)
    form = Approval.with_initial_data(
        description=f"## {question.text}\n\n{evidence}", decision="refuse"
    )
    if not await was_asked(question):
        emit(
            "note",
            None,
            f"{question.text} the answer is given in the Prefect UI, within "
            f"{question.patience:g} s",
        )
    try:
        if deployment.id:
            answer = await asuspend_flow_run(form, timeout=int(question.patience), key=question.key)
        else:
            answer = await apause_flow_run(
                form, timeout=int(question.patience), poll_interval=_POLL, key=question.key
            )
    except FlowPauseTimeout:
        emit("note", None, f"{question.text} nobody answered within {question.patience:g} s")
        return False
    comment = f": {answer.comment}" if answer.comment else ""
    emit("note", None, f"{question.text} {answer.decision}{comment}")
    return answer.decision == "approve"


async def was_asked(question: Question) -> bool:
    """Whether this run was suspended for the question before, and so has its answer."""
    if not deployment.id:
        return False
    async with get_client() as client:
        run = await client.read_flow_run(UUID(str(flow_run.id)))
    return question.key in (run.empirical_policy.pause_keys or ())


async def ask_terminal(question: Question, evidence: str) -> bool:
    """
    Whether the person at the terminal agrees; without a terminal nobody does.

    The question goes to stderr, as stdout may belong to the one JSON object, and the answer is
    awaited, so that Ctrl-C ends the run while nobody answers.
    """
    if not sys.stdin.isatty():
        emit(
            "note",
            None,
            f"{question.text} nobody can be asked here; give --yes, or run it with a Prefect "
            "server",
        )
        return False
    journal = JOURNAL.get()
    with journal.pause_screen() if journal else nullcontext():
        print(f"\n{evidence}\n\n{question.text} [y/N] ", end="", file=sys.stderr, flush=True)
        answer = await _read_line()
    return answer.strip().lower() in _YES


async def _read_line() -> str:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
