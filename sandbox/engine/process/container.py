"""A container that is a plain process with its own loopback address."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

from sandbox.engine.base import ContainerSpec
from sandbox.engine.content.image import Image
from sandbox.engine.process.rootfs import inside
from sandbox.launcher import launched

__all__ = ["ProcessContainer", "container_command", "container_environment"]

_KEPT_LINES: Final = 1000
_PATH: Final = re.compile(r"(?<![\w./@%+-])/[\w./@%+-]+")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_INSIDE: Final = Path(__file__).with_name("inside")


def container_command(image: Image, spec: ContainerSpec, root: Path) -> list[str]:
    """
    The command line: the image's, unless the task definition overrides it.

    Its Python is the host's, found on PATH.
    """
    entry_point = spec.entry_point or image.settings.get("Entrypoint") or ()
    # As in Docker, another entry point drops the image's command.
    default = () if spec.entry_point else image.settings.get("Cmd") or ()
    program, *arguments = [*entry_point, *(spec.command or default)] or [""]
    of_the_host = Path(program).is_absolute() and not inside(root, program).exists()
    if of_the_host and program != "/bin/sh":
        program = Path(program).name
    return [_paths_inside(root, word) for word in (program, *arguments)]


def _paths_inside(root: Path, text: str) -> str:
    """
    The text with absolute paths of the image replaced by their places on this machine.

    This works for command lines and variables. Paths in the program's code need a Docker engine,
    where a container has its own file system.
    """

    def where(found: re.Match[str]) -> str:
        path = inside(root, found[0])
        return str(path) if path != root and path.exists() else found[0]

    return _PATH.sub(where, text)


def container_environment(
    image: Image, spec: ContainerSpec, root: Path, address: str, programs: Path
) -> dict[str, str]:
    """
    The program's whole environment; it inherits nothing from the sandbox.

    Args:
        image: Its ENV comes first.
        spec: Its environment wins.
        root: The unpacked image.
        address: The container's.
        programs: Folder with `python` and `python3`.
    """
    pairs = dict(pair.split("=", 1) for pair in image.settings.get("Env") or ())
    pairs.update(spec.environment)
    environment = {name: _paths_inside(root, value) for name, value in pairs.items()}
    packages = environment.get("PYTHONPATH")
    return {
        **environment,
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(root),
        "HOSTNAME": spec.name,
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": f"{_INSIDE}:{packages}" if packages else str(_INSIDE),
        "SPLIT_SANDBOX_ADDRESS": address,
    }


class ProcessContainer:
    """
    One running program, and the processes that it starts.

    Args:
        spec: What to run.
        image: Its image.
        root: The image, unpacked for this container; deleted when it has ended.
        address: Its loopback address.
        on_line: Called with each line of its output.
    """

    def __init__(
        self,
        spec: ContainerSpec,
        image: Image,
        root: Path,
        address: str,
        on_line: Callable[[str], None],
    ) -> None:
        self.spec, self.image, self.address = spec, image, address
        self.id = hashlib.sha256(f"{spec.name} {address}".encode()).hexdigest()
        self.command = container_command(image, spec, root)
        self.started = time.time()
        self.out_of_memory = False
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._root, self._on_line = root, on_line
        self._code: int | None = None
        self._ended = threading.Event()

    def spawn(self, spawner: Executor, programs: Path) -> None:
        """
        Start the program.

        Args:
            spawner: Has one thread that lives as long as the engine: see `launched`.
            programs: Folder with `python` and `python3`.
        """
        folder = inside(self._root, self.image.settings.get("WorkingDir") or "/")
        folder.mkdir(parents=True, exist_ok=True)
        environment = container_environment(
            self.image, self.spec, self._root, self.address, programs
        )
        self._process = spawner.submit(_spawn, self.command, folder, environment).result()

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
        """SIGTERM, SIGKILL after the stop timeout; returns when it is gone. Safe to repeat."""
        self._process.send_signal(signal.SIGTERM)
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
        shutil.rmtree(self._root, ignore_errors=True)
        ended(self)
        self._code = code if code >= 0 else 128 - code
        self._ended.set()


def _spawn(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        launched(*command),
        cwd=folder,
        env=environment,
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
