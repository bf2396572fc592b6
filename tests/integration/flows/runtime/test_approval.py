"""Who has to agree before a run takes something away, and what becomes of the question."""

import os
import pty
from pathlib import Path

import pytest

from config.errors import PreflightFailed
from flows.runtime.agree import agree

ROWS = [
    {
        "service": "users",
        "resource": "target group",
        "name": "users-tg",
        "action": "delete",
        "details": "",
    }
]


@pytest.fixture
def nobody(monkeypatch):
    """A run whose standard input is no terminal."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield


@pytest.fixture
def terminal(monkeypatch):
    """A run on a terminal; call it with what the person types."""
    keyboard, screen = pty.openpty()
    with os.fdopen(screen) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield lambda typed: os.write(keyboard, typed.encode())
    os.close(keyboard)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("undoable", [True, False])
async def test_an_answer_given_beforehand_is_an_answer(undoable):
    await agree("Remove users?", ROWS, yes=True, undoable=undoable)


@pytest.mark.usefixtures("nobody")
async def test_what_can_be_undone_needs_nobody_where_nobody_can_be_asked():
    await agree("Send users back?", ROWS, yes=False, undoable=True)


@pytest.mark.usefixtures("nobody")
async def test_what_deletes_is_refused_where_nobody_can_be_asked():
    with pytest.raises(PreflightFailed, match=r"--yes: Remove users\? Nobody can be asked here"):
        await agree("Remove users?", ROWS, yes=False, undoable=False)


@pytest.mark.parametrize("undoable", [True, False])
async def test_on_a_terminal_a_person_agrees(terminal, undoable):
    terminal("y\n")
    await agree("Remove users?", ROWS, yes=False, undoable=undoable)


@pytest.mark.parametrize("typed", ["n\n", "\n", "yellow\n", "\x04"])
async def test_anything_but_a_yes_is_a_no(terminal, typed):
    terminal(typed)
    with pytest.raises(PreflightFailed, match="Nobody agreed; nothing was changed"):
        await agree("Send users back?", ROWS, yes=False, undoable=True)


async def test_question_and_plan_leave_stdout_alone(terminal, capsys):
    terminal("y\n")
    await agree("Remove users?", ROWS, yes=False, undoable=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert "users-tg" in said.err
    assert "Remove users? [y/N]" in said.err
