"""`python -m flows.serve`, running, and its Prefect API."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.e2e.runs import ROOT, still_running, wait_until
from tests.ports import free_port
from tests.processes import descendants

__all__ = ["Served", "serving"]

PATIENCE = 240
# Each answer costs the server ten milliseconds of work.
POLL = 0.5
FINAL = ("Completed", "Failed", "Crashed", "Cancelled")


class Served:
    """
    A Prefect server with a worker, and everything registered.

    Args:
        data: Folder of its files.
    """

    def __init__(self, data):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_HOME": str(data / "prefect"),
        }
        self._arguments = ("--port", str(port), "--data", str(data), "--database", "auto")
        self._log = data / "serve.log"
        self.start()

    def start(self):
        """Start it, also again after an end: on the same records."""
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.serve", *self._arguments],
                cwd=ROOT,
                # A run is not to find another AWS, nor other credentials, than its config names.
                env={**os.environ, "AWS_CONFIG_FILE": os.devnull},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._is_ready, PATIENCE)

    def _is_ready(self):
        assert self.process.poll() is None, self.log
        return "Ctrl-C ends it all" in self.log

    @property
    def log(self):
        return self._log.read_text()

    def end(self):
        """End it as Ctrl-C does; returns the exit code and the processes that it left behind."""
        started = descendants(self.process.pid)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.process.returncode, still_running(started)

    def ask(self, path, body=None, method=None):
        """The API's answer; by default to a GET, or to a POST when there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api{path}", data, {"content-type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def deployment(self, name):
        return next(item for item in self.ask("/deployments/filter", {}) if item["name"] == name)

    def run(self, deployment, **parameters):
        """Start a deployment's run; returns its id."""
        made = self.ask(
            f"/deployments/{self.deployment(deployment)['id']}/create_flow_run",
            {"parameters": parameters},
        )
        return made["id"]

    def state(self, run):
        return self.ask(f"/flow_runs/{run}")["state"]

    def wait_for_state(self, run, *names, timeout=PATIENCE):
        """
        Wait until the run is in one of the states, or has ended in another one; returns the state's
        name.
        """
        return wait_until(lambda: self._reached(run, names), timeout, POLL)

    def _reached(self, run, names):
        name = self.state(run)["name"]
        return name if name in (*names, *FINAL) else None

    def runs(self, **wanted):
        """Every flow run, newest first."""
        return self.ask("/flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC", **wanted})

    def wait_for_run(self, **wanted):
        """The newest flow run of that kind, as soon as there is one."""
        return wait_until(lambda: self.runs(limit=1, **wanted), PATIENCE, POLL)[0]

    def logs(self, **wanted):
        """Messages of every log, oldest first."""
        found = self.ask("/logs/filter", {"sort": "TIMESTAMP_ASC", **wanted})
        return [item["message"] for item in found]

    def answer(self, run, decision):
        """Answer the question for which a run is suspended."""
        answer = wait_until(lambda: self._answered(run, decision), PATIENCE, POLL)
        assert answer["status"] == "ACCEPT", answer

    def _answered(self, run, decision):
        """The verdict on an answer; none while the server has no form yet: it comes last."""
        answer = self.ask(f"/flow_runs/{run}/resume", {"run_input": {"decision": decision}})
        reason = (answer["details"] or {}).get("reason")
        return None if reason == "Run input schema not found." else answer


@contextlib.contextmanager
def serving():
    """
    `flows.serve` on the best database that this machine has.

    Its files are in a folder that PostgreSQL's account can enter, which pytest's folders are not.
    """
    data = Path(tempfile.mkdtemp(prefix="served-"))
    data.chmod(0o755)
    served = Served(data)
    try:
        yield served
    finally:
        code, left = served.end() if served.process.poll() is None else (0, [])
        log = served.log
        shutil.rmtree(data)
        assert (code, left) == (0, []), log
