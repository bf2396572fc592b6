"""
Becomes another program that ends with the sandbox: `launcher.py PARENT PROGRAM ARGUMENT...`.

The kernel kills it when the sandbox dies, however that happens. A program cannot arrange that for
itself, and a parent with threads cannot safely do it between fork and exec.
"""

import ctypes
import os
import signal
import sys
from typing import Final

__all__ = ["launched"]

_PR_SET_PDEATHSIG: Final = 1


def launched(*command: str) -> list[str]:
    """
    The command line that runs a command in this way.

    The kernel counts the thread that starts it as the parent: that thread has to live as long.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    """Become the program."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The sandbox died before that call.
        sys.exit(137)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the whole purpose
    except FileNotFoundError:
        sys.exit(f'exec: "{command[0]}": executable file not found in $PATH')
    except PermissionError:
        sys.exit(f'exec: "{command[0]}": permission denied')


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
