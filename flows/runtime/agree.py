"""Whether a run that takes something away may begin."""

import sys
from collections.abc import Sequence
from typing import Final

from prefect.runtime import deployment

from config.errors import PreflightFailed
from flows.report.tables import Row, markdown_table
from flows.runtime.approval import Question, ask_person, ask_terminal

__all__ = ["agree"]

_PATIENCE: Final = 86400.0


async def agree(question: str, rows: Sequence[Row], *, yes: bool, undoable: bool) -> None:
    """
    Go on only when somebody agrees: at the terminal, or in the Prefect UI where a worker does the
    run.

    What can be undone needs nobody where nobody can be asked: the way back must work from an alarm,
    too.

    Args:
        question: For example `Send users back to the monolith?`
        rows: Of the plan.
        yes: Whether the answer was given beforehand.
        undoable: Whether the run deletes nothing.

    Raises:
        PreflightFailed: Nobody agreed, or nobody can be asked.
    """
    asked = Question("begin", question, _PATIENCE)
    if yes:
        return
    if sys.stdin is not None and sys.stdin.isatty():
        agreed = await ask_terminal(asked, markdown_table(rows))
    elif undoable:
        return
    elif not deployment.id:
        raise PreflightFailed(
            f"--yes: {question} Nobody can be asked here; look at --plan first, then give --yes"
        )
    else:
        agreed = await ask_person(asked, markdown_table(rows), yes=False)
    if not agreed:
        raise PreflightFailed(f"{question} Nobody agreed; nothing was changed")
