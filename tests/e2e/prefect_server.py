"""`prefect server start`: what runs share, and what saves a test the start of a private server."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import urllib.request

import flows
from tests.e2e.runs import wait_until
from tests.ports import free_port

__all__ = ["PrefectServer", "migrated_home"]

PATIENCE = 240
# They work for deployments, and cost two percent of a core while nothing happens.
UNUSED_SERVICES = (
    "CANCELLATION_CLEANUP",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "SCHEDULER",
    "TRIGGERS",
)


class PrefectServer:
    """
    A Prefect server on SQLite.

    Args:
        home: Its folder, whose database may have the tables already.
    """

    def __init__(self, home):
        port = free_port()
        self.environment = {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_UI_ENABLED": "false",
            # On SQLite it needs the settings that the product gives a private server.
            **flows._SETTINGS,
        }
        self._log = home / "server.log"
        idle = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in UNUSED_SERVICES}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "server", "start"),
                    *("--host", "127.0.0.1", "--port", str(port)),
                ],
                env={**os.environ, **self.environment, **idle},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, PATIENCE)

    def _answers(self):
        assert self.process.poll() is None, self._log.read_text()
        health = f"{self.environment['PREFECT_API_URL']}/health"
        try:
            with urllib.request.urlopen(health, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self):
        """End it, with whatever it has started in its session."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def migrated_home(shared, home):
    """
    A folder for PREFECT_HOME whose database has its tables, which take seconds to make.

    Args:
        shared: A folder of all workers of this test session: the first one makes the tables there.
        home: The new folder.
    """
    template = shared / "prefect-template"
    with (shared / "prefect-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            making = shared / "prefect-template-in-the-making"
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
                env={**os.environ, **flows._SETTINGS, "PREFECT_HOME": str(making)},
                capture_output=True,
                check=True,
            )
            making.rename(template)
    shutil.copytree(template, home, dirs_exist_ok=True)
    return home
