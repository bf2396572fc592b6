"""
The embedded engine: builds images without containers, and runs containers as processes.

    engine.py         this: the engine as the sandbox uses it
    ├── api.py        the Docker Engine API, as far as docker-py needs it to build, tag and push
    ├── build/        from a Dockerfile to an image
    ├── transfer.py   push and pull
    ├── run/          containers: namespaces.py with a root of their own, plain.py without
    └── warden.py     ends them when the sandbox is killed
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

from sandbox.addresses import Addresses
from sandbox.api.serving import LoopbackServer
from sandbox.engine.base import ContainerSpec, ImageUnavailable, RegistryLogin
from sandbox.engine.content.base_image import host_python
from sandbox.engine.content.image import Image
from sandbox.engine.content.store import Store, cache_dir
from sandbox.engine.process.api import EngineApi
from sandbox.engine.process.build.check import Abilities
from sandbox.engine.process.images import Images
from sandbox.engine.process.reference import read_reference
from sandbox.engine.process.registry_client import RegistryRefused, is_on_this_machine
from sandbox.engine.process.run.container import ProcessContainer
from sandbox.engine.process.run.namespaces import contained_program, why_unavailable
from sandbox.engine.process.run.plain import plain_program
from sandbox.engine.process.run.rootfs import remove_tree, unpack
from sandbox.engine.process.transfer import Transfer

__all__ = ["ProcessEngine"]

_MEMORY_INTERVAL: Final = 0.5
_WARDEN: Final = Path(__file__).with_name("warden.py")


class ProcessEngine:
    """
    Needs no Docker, no root and no network.

    Args:
        registry: The registry behind ECR.
        addresses: Where each container gets its address, in the two subnets by turns.
        run_dir: The sandbox's folder.
        roots: Whether programs get a root of their own where the kernel allows it.
    """

    name: Literal["docker", "process"] = "process"

    def __init__(
        self, registry: RegistryLogin, addresses: Addresses, run_dir: Path, *, roots: bool = True
    ) -> None:
        self._registry, self._addresses = registry, addresses
        self._folder = run_dir / "engine"
        self._programs = self._folder / "bin"
        _link_programs(self._programs)
        self.why_no_roots = why_unavailable(self._folder) if roots else "not wanted"
        """Why programs have no root of their own; None when they have."""
        self._store = Store(cache_dir(run_dir))
        self._store.prune()
        self._images, self._transfer = Images(), Transfer(self._store)
        self._lock = threading.Lock()
        self._containers: dict[str, ProcessContainer] = {}
        self._commands: set[int] = set()
        self._numbers = itertools.count(1)
        self._closing = threading.Event()
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
        self._warden = self._spawner.submit(_Warden).result()
        self._watch = threading.Thread(
            target=self._watch_memory, name="container-memory", daemon=True
        )
        self._watch.start()
        self._server = LoopbackServer("docker-api")
        api = EngineApi(
            self._store,
            self._images,
            self._transfer,
            self.containers,
            Abilities(self.why_no_roots, self._may_have_image, self._watching),
            self._find_image,
        )
        self._server.start(api.answer)
        self.docker_host = f"tcp://{self._server.host}"

    def containers(self) -> list[ProcessContainer]:
        """The running containers."""
        with self._lock:
            return list(self._containers.values())

    def pull(self, image: str) -> str:
        """
        Pull what the store does not have; return the image's digest.

        Raises:
            ImageUnavailable: The registry does not have it, or does not answer.
        """
        return self._pull(image).digest

    def start(self, spec: ContainerSpec, on_line: Callable[[str], None]) -> ProcessContainer:
        """
        Start a process with its own address.

        Raises:
            ImageUnavailable: The image has not been pulled and cannot be.
        """
        image = self._images.find(spec.image) or self._pull(spec.image)
        number = next(self._numbers)
        address = self._addresses.task(self._addresses.subnets[number % 2])
        folder = self._folder / "containers" / str(number)
        removed = unpack(self._store, image, folder / "upper")
        if self.why_no_roots is None:
            program = contained_program(self._store, image, spec, folder, address, removed)
        else:
            program = plain_program(image, spec, folder / "upper", address, self._programs)
        container = ProcessContainer(spec, image, folder, address, on_line)
        container.spawn(self._spawner, program)
        with self._lock:
            self._containers[spec.name] = container
        self._warden.add(container.pid)
        container.watch(self._ended)
        return container

    def close(self) -> None:
        """Kill every container, and delete everything but the images, which the next run uses."""
        self._closing.set()
        self._watch.join()
        for container in self.containers():
            container.kill()
        with self._lock:
            for group in self._commands:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
        self._server.close()
        self._warden.close()
        self._spawner.shutdown()
        remove_tree(self._folder)

    @contextlib.contextmanager
    def _watching(self, group: int) -> Iterator[None]:
        """End a build's command with the sandbox."""
        self._warden.add(group)
        with self._lock:
            self._commands.add(group)
        try:
            yield
        finally:
            with self._lock:
                self._commands.discard(group)
            self._warden.discard(group)

    def _may_have_image(self, name: str) -> bool:
        """Whether it is here, or in a registry on this machine."""
        reference = read_reference(name)
        if reference is None:
            return False
        return self._images.find(name) is not None or is_on_this_machine(reference.host)

    def _find_image(self, name: str) -> Image | None:
        """An image for FROM: pulled if it is not here."""
        try:
            return self._images.find(name) or self._pull(name)
        except ImageUnavailable:
            return None

    def _pull(self, name: str) -> Image:
        reference = read_reference(name)
        if reference is None:
            raise ImageUnavailable(f"CannotPullContainerError: invalid reference format: {name}")
        try:
            image = self._transfer.pull(reference, self._login(reference.host))
        except RegistryRefused as error:
            reason = str(error)
            if error.status == 404:
                reason = f"failed to resolve ref {name}: {name}: not found"
            raise ImageUnavailable(f"CannotPullContainerError: {reason}") from None
        self._images.tag(reference, image)
        return image

    def _login(self, host: str) -> tuple[str, str] | None:
        if host != self._registry.host:
            return None
        return self._registry.username, self._registry.password

    def _ended(self, container: ProcessContainer) -> None:
        with self._lock:
            if self._containers.get(container.spec.name) is container:
                del self._containers[container.spec.name]
        self._warden.discard(container.pid)

    def _watch_memory(self) -> None:
        while not self._closing.wait(_MEMORY_INTERVAL):
            for container in self.containers():
                container.check_memory()


def _link_programs(folder: Path) -> None:
    """Make a folder for PATH in which `python` is the host's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(host_python())


class _Warden:
    """The program that kills the containers' processes if the sandbox is killed: see warden.py."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _WARDEN],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def add(self, group: int) -> None:
        self._send(f"+{group}\n")

    def discard(self, group: int) -> None:
        self._send(f"-{group}\n")

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def _send(self, line: str) -> None:
        with self._lock, contextlib.suppress(ValueError, BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.write(line)
                self._process.stdin.flush()
