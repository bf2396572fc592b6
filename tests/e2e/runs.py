"""The product's programs as a user runs them: each a process of its own, ended by its id."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

import flows
from tests.processes import descendants

__all__ = [
    "ROOT",
    "Client",
    "PrefectServer",
    "Run",
    "edited_config",
    "hasten_drain",
    "only",
    "quick",
    "wait_until",
]

ROOT = Path(__file__).parents[2]
PATIENCE = 240
POLL = 0.02


class Run:
    """
    One run of a command line.

    Args:
        directory: Its working directory; its temporary files go below it, into `tmp`.
        prefect: Environment variables that say where its Prefect is.
        module: For example `flows.split`.
        *arguments: Of the command line; `--json` is added.
    """

    def __init__(self, directory, prefect, module, *arguments):
        self.directory, self.temporary, self._log = (
            directory,
            directory / "tmp",
            directory / "run.log",
        )
        self.prefect = prefect
        self.temporary.mkdir()
        surroundings = {
            **prefect,
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            # A run is not to find another AWS, nor other credentials, than its config names.
            "AWS_CONFIG_FILE": os.devnull,
        }
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, "--json"],
                cwd=directory,
                env={**os.environ, **surroundings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._started, self._out = {}, None

    @property
    def log(self):
        """What it has written on stderr so far."""
        return self._log.read_text()

    def wait(self, timeout=PATIENCE):
        """Its exit code."""
        try:
            self._out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end; its log:\n{self.log}") from None
        return self.process.returncode

    @property
    def outcome(self):
        """The JSON object that it printed, after `wait`."""
        return json.loads(self._out)

    def wait_for(self, text, timeout=PATIENCE):
        """Wait until it says the text on stderr."""
        wait_until(lambda: text in self.log or self.process.poll() is not None, timeout)
        assert text in self.log, self.log

    def descendants(self):
        """{(pid, start time): command line} of all processes below it."""
        return descendants(self.process.pid)

    def signal(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self):
        """
        Kill it with everything it has started in its session, as a machine that goes down would.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self):
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.communicate(timeout=60)
            self.kill()


class PrefectServer:
    """
    `prefect server start`: what a team's runs share, and what saves a test the start of a private
    one.
    """

    def __init__(self, directory):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.environment = {
            "PREFECT_HOME": str(directory),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_UI_ENABLED": "false",
            # On SQLite it needs the settings that the product gives a private server.
            **flows._SETTINGS,
        }
        self._log = directory / "server.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "server", "start"),
                    *("--host", "127.0.0.1", "--port", str(port)),
                ],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, PATIENCE)

    def _answers(self):
        assert self.process.poll() is None, self._log.read_text()
        try:
            with urllib.request.urlopen(
                f"{self.environment['PREFECT_API_URL']}/health", timeout=5
            ) as answer:
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


class Client:
    """`python -m flows.client`: users that never stop calling."""

    def __init__(self, directory, alb_url, paths, rate):
        self._answers = directory / "answers.jsonl"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "flows.client", "--url", alb_url, "--rate", str(rate)),
                *("--output", str(self._answers), "--with-parent", "--path", *paths),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_until(lambda: self._answers.exists() and self._answers.stat().st_size > 0)

    def answers(self):
        """
        What it has seen, `{"t", "path", "status", "backend", …}` each; what is being written is
        left out.
        """
        return [json.loads(line) for line in self._answers.read_text().splitlines()[:-1]]

    def backends(self, path, since=0.0):
        """Who has answered requests for the path that were sent since then."""
        return {
            item["backend"]
            for item in self.answers()
            if item["path"] == path and item["t"] >= since
        }

    def end(self):
        """End it; returns its totals: requests, failed, by_backend."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=30)
        return json.loads(out) if out else None


def wait_until(condition, timeout=30):
    """Look at the condition again and again until it holds; returns what it came to."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so after {timeout} s"
        time.sleep(POLL)
    return found


def edited_config(sandbox, directory, *edits):
    """The sandbox's split.yaml, changed by each edit in turn, in a file of its own."""
    config = yaml.safe_load(Path(sandbox.state["config"]).read_text())
    for edit in edits:
        edit(config)
    path = directory / "split.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def only(*names):
    """An edit: only these services leave the monolith; what is left goes to the first of them."""

    def edit(config):
        config["services"] = [service for service in config["services"] if service["name"] in names]
        config["monolith"]["default_action"]["service"] = names[0]

    return edit


def hasten_drain(sandbox):
    """Let the monolith's tasks go a second after their last request, not five."""
    elb = sandbox.boto("elbv2")
    group = elb.describe_target_groups(Names=["forum-monolith-tg"])["TargetGroups"][0][
        "TargetGroupArn"
    ]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
    elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[delay])


def quick(config):
    """An edit: everything in one step that bakes no longer than its verdict needs."""
    config["traffic"]["shift"] = {"strategy": "all_at_once", "bake": 0}
    # Latencies need a number of probes to be compared.
    config["traffic"]["gates"] |= {
        "min_requests": 1,
        "source": "probes",
        "latency_ratio": {"p95": None},
    }
    config["monolith"]["quiet_period"] = 1
    config["stable_timeout"] = 60
    for service in config["services"]:
        service["deregistration_delay"] = 1
