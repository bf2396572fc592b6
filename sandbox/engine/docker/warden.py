"""
Removes a sandbox's containers when the sandbox is killed: `warden DOCKER_HOST PID`.

Its input ends when the sandbox does. A sandbox that ends in order, with no containers left, first
writes a line.
"""

import contextlib
import signal
import sys
from typing import Final

__all__ = ["LABEL", "main"]

LABEL: Final = "split-sandbox"
"""Label of every container of a sandbox; its value is the sandbox's process id."""


def main(docker_host: str, pid: str) -> None:
    """Wait for the end of the sandbox; remove its containers if it was killed."""
    if sys.stdin.read():
        return
    import docker  # noqa: PLC0415 - takes a while, and is needed only now
    import docker.errors  # noqa: PLC0415

    with contextlib.closing(docker.DockerClient(base_url=docker_host)) as client:
        own = f"{LABEL}={pid}"
        for container in client.containers.list(
            all=True, filters={"label": own}, ignore_removed=True
        ):
            with contextlib.suppress(docker.errors.APIError):
                container.remove(v=True, force=True)


if __name__ == "__main__":
    # Ctrl-C in a terminal is for the sandbox, which then ends its containers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(*sys.argv[1:])
