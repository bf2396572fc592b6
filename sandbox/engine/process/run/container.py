"""A container that is a process of this machine with its own loopback address."""

import contextlib
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

from sandbox.engine.base import ContainerSpec
from sandbox.engine.content.image import Image
from sandbox.engine.process.run.program import Program, image_command
from sandbox.engine.process.run.rootfs import remove_tree

__all__ = ["ProcessContainer"]

_KEPT_LINES: Final = 1000
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class ProcessContainer:
    """
    One running program, and the processes that it starts.

    Args:
        spec: What to run.
        image: Its image.
        folder: Its files; deleted when it has ended.
        address: Its loopback address.
        on_line: Called with each line of its output.
    """

    def __init__(
        self,
        spec: ContainerSpec,
        image: Image,
        folder: Path,
        address: str,
        on_line: Callable[[str], None],
    ) -> None:
        self.spec, self.image, self.address = spec, image, address
        self.id = hashlib.sha256(f"{spec.name} {address}".encode()).hexdigest()
        self.command = image_command(image, spec)
        self.started = time.time()
        self.out_of_memory = False
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._folder, self._on_line = folder, on_line
        self._code: int | None = None
        self._ended = threading.Event()

    def spawn(self, spawner: Executor, program: Program) -> None:
        """
        Start the program.

        Args:
            spawner: Has one thread that lives as long as the engine: see `launched`.
            program: What to start.
        """
        self._process = spawner.submit(_spawn, program).result()

    def watch(self, ended: Callable[["ProcessContainer"], None]) -> None:
        """Deliver its output; when it has ended, call `ended`, before `exit_code` changes."""
        name = f"container {self.spec.name}"
        reader = threading.Thread(target=self._read, name=name, daemon=True)
        reader.start()
        threading.Thread(target=self._wait, args=(reader, ended), name=name, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; 128 + n when signal n ended it."""
        return self._code

    def stop(self) -> None:
        """
        The image's STOPSIGNAL, SIGKILL after the stop timeout; returns when it is gone.

        Safe to repeat.
        """
        self._process.send_signal(_stop_signal(self.image))
        if not self._ended.wait(self.spec.stop_timeout):
            self.kill()

    def kill(self) -> None:
        """SIGKILL to its process group; returns when it is gone."""
        self._kill_group()
        self._ended.wait()

    def check_memory(self) -> None:
        """
        Kill it when it uses more memory than its limit, as the kernel does on ECS.

        Resident memory is counted. The kernel's limit for plain processes, RLIMIT_AS, would count
        address space, of which every thread reserves 8 MiB without using it.
        """
        if _resident(self.pid) > self.spec.memory << 20:
            self.out_of_memory = True
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\r\n")
                self.lines.append(line)
                self._on_line(line)

    def _wait(self, reader: threading.Thread, ended: Callable[["ProcessContainer"], None]) -> None:
        code = self._process.wait()
        # As in a container, the end of the first program ends the others, and with them the output.
        self._kill_group()
        reader.join()
        remove_tree(self._folder)
        ended(self)
        self._code = code if code >= 0 else 128 - code
        self._ended.set()


def _stop_signal(image: Image) -> signal.Signals:
    """The image's STOPSIGNAL: a number, or a name with or without SIG."""
    name = str(image.settings.get("StopSignal") or "SIGTERM")
    try:
        if name.isdigit():
            return signal.Signals(int(name))
        return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
    except (KeyError, ValueError):
        return signal.SIGTERM


def _spawn(program: Program) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        program.arguments,
        cwd=program.folder,
        env=program.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _resident(pid: int) -> int:
    """Bytes of resident memory of a process and its descendants; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (OSError, IndexError):
        return 0
    return pages * _PAGE + sum(_resident(int(child)) for child in children)
