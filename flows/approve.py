"""Asks a person, in the Prefect UI or on the terminal."""

import asyncio
import os
import sys
from typing import Final, Literal

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from pydantic import Field

from flows.watch import tell

__all__ = ["ask_person"]

_YES: Final = ("y", "yes")


class Approval(RunInput):
    """What the person is asked."""

    decision: Literal["approve", "refuse"] = Field(
        default="refuse", description="approve to go on, refuse to stop here"
    )
    comment: str = Field(default="", description="why, for the log")


async def ask_person(question: str, evidence: str, patience: float, *, yes: bool) -> bool:
    """
    Whether a person agrees.

    Args:
        question: What is asked, e.g. `Drain the monolith?`
        evidence: Markdown that the decision can rest on.
        patience: Seconds to wait; no answer is a no.
        yes: Whether the answer was given beforehand.
    """
    if yes:
        tell("note", None, f"{question} yes (given beforehand)")
        return True
    if not os.environ.get("PREFECT_API_URL"):
        return await _ask_terminal(question, evidence)
    form = Approval.with_initial_data(description=f"## {question}\n\n{evidence}", decision="refuse")
    tell("note", None, f"{question} waiting for an answer in the Prefect UI, at most {patience:g} s")
    try:
        answer = await apause_flow_run(wait_for_input=form, timeout=int(patience), poll_interval=2)
    except FlowPauseTimeout:
        tell("note", None, f"{question} nobody answered within {patience:g} s")
        return False
    tell("note", None, f"{question} {answer.decision}{f': {answer.comment}' if answer.comment else ''}")
    return answer.decision == "approve"


async def _ask_terminal(question: str, evidence: str) -> bool:
    """Without a server nobody can answer in a UI; without a terminal nobody can answer at all."""
    if not sys.stdin.isatty():
        tell("note", None, f"{question} nobody can be asked here; give --yes, or run it with a Prefect server")
        return False
    print(f"\n{evidence}\n", file=sys.stderr)
    answer = await asyncio.to_thread(input, f"{question} [y/N] ")
    return answer.strip().lower() in _YES
