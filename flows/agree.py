"""Whether a run that takes something away may begin."""

import sys
from collections.abc import Sequence
from typing import Final

from config.errors import PreflightFailed
from flows.approve import Question, ask_person, ask_terminal
from flows.report.tables import Row, markdown_table
from flows.run_records import on_private_server

__all__ = ["agree"]

_PATIENCE: Final = 86400.0


async def agree(question: str, rows: Sequence[Row], *, yes: bool, undoable: bool) -> None:
    """
    Go on only when somebody agrees: at the terminal, or else in the Prefect UI.

    What can be undone needs nobody where nobody can be asked: the way back must work from an alarm, too.

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
    elif on_private_server():
        raise PreflightFailed(f"--yes: {question} Nobody can be asked here; look at --plan first, then give --yes")
    else:
        agreed = await ask_person(asked, markdown_table(rows), yes=False)
    if not agreed:
        raise PreflightFailed(f"{question} Nobody agreed; nothing was changed")
