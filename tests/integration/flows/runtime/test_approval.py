"""Which runs need approval before they begin, and what an answer on the terminal does."""

import os
import pty
from pathlib import Path

import pytest

from config.errors import PreflightFailed
from flows.runtime.approval import approve_start

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
def no_terminal(monkeypatch):
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


@pytest.mark.usefixtures("no_terminal")
@pytest.mark.parametrize("undoable", [True, False])
async def test_yes_skips_the_question(undoable):
    await approve_start("Remove users?", ROWS, yes=True, undoable=undoable)


@pytest.mark.usefixtures("no_terminal")
async def test_without_a_terminal_what_can_be_undone_needs_no_approval():
    await approve_start("Send users back?", ROWS, yes=False, undoable=True)


@pytest.mark.usefixtures("no_terminal")
async def test_without_a_terminal_what_deletes_is_refused():
    with pytest.raises(PreflightFailed, match=r"--yes: Remove users\? This deletes"):
        await approve_start("Remove users?", ROWS, yes=False, undoable=False)


@pytest.mark.parametrize("undoable", [True, False])
async def test_on_a_terminal_a_yes_approves(terminal, undoable):
    terminal("y\n")
    await approve_start("Remove users?", ROWS, yes=False, undoable=undoable)


@pytest.mark.parametrize("typed", ["n\n", "\n", "yellow\n", "\x04"])
async def test_anything_but_a_yes_is_a_no(terminal, typed):
    terminal(typed)
    with pytest.raises(PreflightFailed, match="Not approved; nothing was changed"):
        await approve_start("Send users back?", ROWS, yes=False, undoable=True)


async def test_question_and_plan_leave_stdout_alone(terminal, capsys):
    terminal("y\n")
    await approve_start("Remove users?", ROWS, yes=False, undoable=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert "users-tg" in said.err
    assert "Remove users? [y/N]" in said.err
