"""
Kills the processes that a killed sandbox's containers have started.

Its input has a line for each process group that begins (`+GROUP`) and ends (`-GROUP`). At the end
of its input, which comes with the end of the sandbox, it kills the groups that are left.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Wait for the end of the sandbox; kill what is left of it."""
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    # Ctrl-C in a terminal is for the sandbox, which then ends its containers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
