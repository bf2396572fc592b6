"""
Becomes a container's program: `launcher.py PARENT PROGRAM ARGUMENT...`.

The kernel is asked to kill it when the sandbox dies, which a program cannot arrange for itself and
a Python parent with threads cannot safely do between fork and exec.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main(parent: int, command: list[str]) -> None:
    """Ask for the signal, then become the program."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before the kernel was asked.
        sys.exit(137)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the whole purpose
    except FileNotFoundError:
        sys.exit(f'exec: "{command[0]}": executable file not found in $PATH')
    except PermissionError:
        sys.exit(f'exec: "{command[0]}": permission denied')


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
