"""The product's command lines as a user runs them: each a process of its own, ended by its id."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.processes import descendants, is_alive
from tests.sandboxes import boto_client

__all__ = ["ROOT", "RehearsedAws", "Run", "still_running", "wait_until"]

ROOT = Path(__file__).parents[2]
PATIENCE = 240
# To read a weight costs the sandbox up to 50 ms of work.
POLL = 0.4


class Run:
    """
    One run of a command line.

    Args:
        directory: Its working directory; its temporary files go below it, into `tmp`.
        prefect: Environment variables that name its Prefect server, or the home of a private one.
        module: For example `flows.split`.
        *arguments: Of the command line; `--json` is added.
    """

    def __init__(self, directory, prefect, module, *arguments):
        self.directory = directory
        self.temporary = directory / "tmp"
        self.prefect = prefect
        self.calls = []
        self._log = directory / "run.log"
        self._out = None
        self.temporary.mkdir()
        environment = {
            **os.environ,
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
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    @property
    def log(self):
        """What it has written on stderr so far."""
        return self._log.read_text()

    @property
    def is_running(self):
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def wait(self, timeout=PATIENCE):
        """Its exit code."""
        try:
            self._out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end; its log:\n{self.log}") from None
        return self.process.returncode

    def wait_for_log(self, text, timeout=PATIENCE):
        """Wait until the text is in its log."""
        self.wait_while_running(lambda: text in self.log, timeout)

    def wait_while_running(self, condition, timeout=PATIENCE):
        """Wait until the condition is true; fail when the run ends first."""
        wait_until(lambda: condition() or not self.is_running, timeout)
        assert condition(), self.log

    @property
    def outcome(self):
        """The JSON object that it printed, after `wait`."""
        return json.loads(self._out)

    @property
    def ended(self):
        """Exit code and status, after `wait`."""
        return self.process.returncode, self.outcome["status"]

    def events(self, **wanted):
        """Events of the JSON object that have these values, e.g. kind="weight", service="users"."""
        return [
            event
            for event in self.outcome["events"]
            if all(event[key] == value for key, value in wanted.items())
        ]

    @property
    def rows(self):
        """(service, resource, action) of the plan in the JSON object."""
        return [(row["service"], row["resource"], row["action"]) for row in self.outcome["plan"]]

    def descendants(self):
        """{(pid, start time): command line} of all processes below it."""
        return descendants(self.process.pid)

    def signal(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self):
        """
        Kill it with everything it has started in its session, as a machine that goes down would;
        returns its exit code.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        return self.process.returncode

    def end(self):
        """End it if it still runs."""
        if self.is_running:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.communicate(timeout=60)
            self.kill()


class RehearsedAws:
    """The AWS of a rehearsal at work: its sandbox keeps its config below the run's TMPDIR."""

    def __init__(self, run):
        # By then the sandbox is ready, so that its config is complete.
        run.wait_for_log("preparing")
        (config,) = run.temporary.glob("*/split.yaml")
        self._clients = {}
        self._endpoint_url = yaml.safe_load(config.read_text())["aws"]["endpoint_url"]

    def boto(self, service):
        """A client of the AWS that the rehearsal's sandbox serves."""
        if service not in self._clients:
            self._clients[service] = boto_client(self._endpoint_url, service)
        return self._clients[service]


def still_running(started):
    """Command lines of the processes, as `descendants` has them, that have not ended."""
    return [command for identity, command in started.items() if is_alive(identity)]


def wait_until(condition, timeout=30, poll=POLL):
    """Wait until the condition is true; returns its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not so after {timeout} s"
        time.sleep(poll)  # between two looks at the condition
    return value
