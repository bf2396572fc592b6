"""
Approval by a person, in the Prefect UI or on the terminal.

A run on a worker is suspended: its process ends, and the answer, however late, starts it again from
the top, also after a restart of worker and server. It comes to the same question, which then has
its answer. A run of a command line cannot be started again by a server, so it waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from pydantic import Field

from config.errors import PreflightFailed
from flows.record.events import emit
from flows.report.tables import markdown_table
from flows.runtime.private_server import on_private_server
from flows.runtime.terminal import ask_terminal, has_terminal

__all__ = ["Question", "approve_start", "ask_person", "was_asked"]

_POLL: Final = 2
_A_DAY: Final = 86400.0


@dataclass(frozen=True)
class Question:
    """What a person is asked."""

    key: str
    """Names the question within its run: one that has its answer is not asked again."""
    text: str
    """For example `Drain monolith?`"""
    patience: float
    """Seconds to wait; no answer is a no."""


class Approval(RunInput):
    """The person's answer."""

    decision: Literal["approve", "refuse"] = Field(
        default="refuse", description="approve to go on, refuse to stop here"
    )
    comment: str = Field(default="", description="why, for the log")


async def approve_start(
    question: str, rows: Sequence[dict[str, str]], *, yes: bool, undoable: bool
) -> None:
    """
    Go on only with a person's approval: at the terminal, or in the Prefect UI for a run on a
    worker.

    A run that can be undone needs no approval where there is no person to ask: a rollback must work
    from an alarm, too.

    Args:
        question: For example `Roll users back to monolith?`
        rows: Of the plan.
        yes: Whether to skip the question.
        undoable: Whether the run deletes nothing.

    Raises:
        PreflightFailed: Not approved, or there is no person to ask.
    """
    if yes or (undoable and not has_terminal()):
        return
    if not await _is_start_approved(question, markdown_table(rows)):
        raise PreflightFailed(f"{question} Not approved; nothing was changed")


async def _is_start_approved(question: str, evidence: str) -> bool:
    if has_terminal():
        return await ask_terminal(question, evidence)
    if deployment.id:
        return await ask_person(Question("begin", question, _A_DAY), evidence, yes=False)
    raise PreflightFailed(
        f"--yes: {question} This deletes, and there is no terminal to confirm it on; check "
        "--plan first, then give --yes"
    )


async def ask_person(question: Question, evidence: str, *, yes: bool) -> bool:
    """
    Whether a person approves.

    Args:
        question: What is asked.
        evidence: Markdown that the decision can rest on.
        yes: Whether to skip the question.

    Raises:
        Pause: The run is suspended until there is an answer; Prefect's own signal, which ends the
            process.
    """
    if yes:
        _note(question, "approved by --yes")
        return True
    if not on_private_server():
        return await _ask_in_prefect(question, evidence)
    if has_terminal():
        return await ask_terminal(question.text, evidence)

    missing = "there is no terminal to ask on; give --yes, or run it with a Prefect server"
    _note(question, f"not approved: {missing}")
    return False


async def was_asked(question: Question) -> bool:
    """Whether this run was suspended for the question before, and so has its answer."""
    if not deployment.id:
        return False

    run_id = UUID(str(flow_run.id))
    async with get_client() as client:
        run = await client.read_flow_run(run_id)
    asked = run.empirical_policy.pause_keys or ()
    return question.key in asked


async def _ask_in_prefect(question: Question, evidence: str) -> bool:
    within = f"within {question.patience:g} s"
    if not await was_asked(question):
        _note(question, f"waiting for an answer in the Prefect UI {within}")
    try:
        answer = await _wait_for_answer(question, evidence)
    except FlowPauseTimeout:
        _note(question, f"not approved: no answer {within}")
        return False

    comment = f": {answer.comment}" if answer.comment else ""
    _note(question, f"{answer.decision}{comment}")
    return answer.decision == "approve"


def _note(question: Question, text: str) -> None:
    emit("note", None, f"{question.text} {text}")


async def _wait_for_answer(question: Question, evidence: str) -> Approval:
    """A run on a worker is suspended; any other waits."""
    form = Approval.with_initial_data(
        description=f"## {question.text}\n\n{evidence}",
        decision="refuse",
    )
    timeout = int(question.patience)
    if deployment.id:
        return await asuspend_flow_run(form, timeout=timeout, key=question.key)
    return await apause_flow_run(
        form,
        timeout=timeout,
        poll_interval=_POLL,
        key=question.key,
    )
