"""
Outlives a sandbox that is killed, for as long as it takes to kill what its containers' programs
have started.

Reads `+GROUP` and `-GROUP` lines, one for each process group that begins and ends; at the end of
its input, whatever ended the sandbox, it kills those that are left.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Watch until the sandbox is gone."""
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    # Ctrl+C in a terminal is for the sandbox, which then ends its containers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
