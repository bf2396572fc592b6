"""Which processes run below another one, and whether one of them still does."""

import contextlib
from pathlib import Path

__all__ = ["descendants", "is_alive"]


def descendants(pid):
    """{(pid, start time): command line} of all processes below it."""
    found = {}
    for child in _children().get(pid, ()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found[child, _stat(child)[21]] = command
        found.update(descendants(child))
    return found


def is_alive(identity):
    """
    Whether the process of that pid and start time runs (one that only waits to be reaped does not).
    """
    pid, started = identity
    try:
        stat = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[21] == started and stat[2] != "Z"


def _children():
    tree = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                tree.setdefault(int(_stat(entry.name)[3]), []).append(int(entry.name))
    return tree


def _stat(pid):
    """
    Fields of /proc/PID/stat, by the numbers of proc(5) less one; the command is emptied, as it may
    hold blanks.
    """
    head, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return [head.partition(" ")[0], "", *rest.split()]
