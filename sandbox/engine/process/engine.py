"""
The embedded engine: builds images without containers, and runs containers as processes.

    process.py            this: the engine as the sandbox sees it ├── api.py            the Docker
    Engine API, as far as docker-py needs it to build, tag and push ├── build.py          Dockerfile
    to image: dockerfile.py, words.py, context.py, layer.py, base_image.py ├── transfer.py
    push and pull ├── store.py          blobs, kept between runs └── process_container.py  a
    container: launcher.py, inside/, rootfs.py; warden.py when the sandbox is killed
"""

import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

from sandbox.addresses import Addresses
from sandbox.ecr.credentials import pull_credentials
from sandbox.engine.base import ContainerSpec, ImageUnavailable
from sandbox.engine.content.base_image import host_python
from sandbox.engine.content.image import Image
from sandbox.engine.content.store import Store, cache_dir
from sandbox.engine.process.api import EngineApi
from sandbox.engine.process.container import ProcessContainer
from sandbox.engine.process.images import Images
from sandbox.engine.process.reference import read_reference
from sandbox.engine.process.rootfs import unpack
from sandbox.engine.process.transfer import RegistryRefused, Transfer

__all__ = ["ProcessEngine"]

_MEMORY_INTERVAL: Final = 0.5
_WARDEN: Final = Path(__file__).with_name("warden.py")


class ProcessEngine:
    """
    Needs no Docker, no root and no network.

    Args:
        addresses: Each container gets one of its own, in the two subnets by turns.
        run_dir: The sandbox's folder.
    """

    name: Literal["docker", "process"] = "process"

    def __init__(self, addresses: Addresses, run_dir: Path) -> None:
        self._addresses, self._folder = addresses, run_dir / "engine"
        self._programs = self._folder / "bin"
        self._programs.mkdir(parents=True, exist_ok=True)
        for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
            with contextlib.suppress(FileExistsError):
                (self._programs / name).symlink_to(host_python())
        self._store = Store(cache_dir(run_dir))
        self._store.prune()
        self._images, self._transfer = Images(), Transfer(self._store)
        self._lock = threading.Lock()
        self._containers: dict[str, ProcessContainer] = {}
        self._started = 0
        self._closing = threading.Event()
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
        self._warden = self._spawner.submit(_start_warden).result()
        self._watch = threading.Thread(
            target=self._watch_memory, name="container-memory", daemon=True
        )
        self._watch.start()
        self._api = EngineApi(self._store, self._images, self._transfer, self.containers)
        self._api.start()
        self.docker_host = f"tcp://{self._api.host}"

    def containers(self) -> list[ProcessContainer]:
        """Those that run."""
        with self._lock:
            return list(self._containers.values())

    def pull(self, image: str) -> str:
        """
        Fetch from the registry what the store does not have; return the image's digest.

        Raises:
            ImageUnavailable: The registry does not have it, or does not answer.
        """
        return self._pull(image).digest

    def start(self, spec: ContainerSpec, on_line: Callable[[str], None]) -> ProcessContainer:
        """
        Start a process on an address of its own.

        Raises:
            ImageUnavailable: The image was not pulled, and cannot be.
        """
        image = self._images.find(spec.image) or self._pull(spec.image)
        with self._lock:
            number = self._started = self._started + 1
        address = self._addresses.task(self._addresses.subnets[number % 2])
        root = self._folder / "containers" / str(number)
        unpack(self._store, image, root)
        container = ProcessContainer(spec, image, root, address, on_line)
        container.spawn(self._spawner, self._programs)
        with self._lock:
            self._containers[spec.name] = container
        self._tell_warden("+", container.pid)
        container.watch(self._ended)
        return container

    def close(self) -> None:
        """Kill every container, and delete all but the images, which are kept for the next run."""
        self._closing.set()
        self._watch.join()
        for container in self.containers():
            container.kill()
        self._api.close()
        if self._warden.stdin:
            self._warden.stdin.close()
        self._warden.wait()
        self._spawner.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _pull(self, name: str) -> Image:
        reference = read_reference(name)
        if reference is None:
            raise ImageUnavailable(f"CannotPullContainerError: invalid reference format: {name}")
        try:
            image = self._transfer.pull(reference, pull_credentials(reference.host))
        except RegistryRefused as error:
            missing = (
                f"failed to resolve ref {name}: {name}: not found"
                if error.status == 404
                else str(error)
            )
            raise ImageUnavailable(f"CannotPullContainerError: {missing}") from None
        self._images.tag(reference, image)
        return image

    def _ended(self, container: ProcessContainer) -> None:
        with self._lock:
            if self._containers.get(container.spec.name) is container:
                del self._containers[container.spec.name]
        self._tell_warden("-", container.pid)

    def _tell_warden(self, sign: str, group: int) -> None:
        with self._lock, contextlib.suppress(ValueError, BrokenPipeError):
            if self._warden.stdin:
                self._warden.stdin.write(f"{sign}{group}\n")
                self._warden.stdin.flush()

    def _watch_memory(self) -> None:
        while not self._closing.wait(_MEMORY_INTERVAL):
            for container in self.containers():
                container.check_memory()


def _start_warden() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", _WARDEN],
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
