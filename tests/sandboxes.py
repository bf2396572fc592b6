"""`python -m sandbox` as a program of its own, and clients of the AWS it serves."""

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import botocore.session

from tests.processes import descendants, is_alive

__all__ = ["SandboxProcess", "boto_client", "running_sandbox"]

ROOT = Path(__file__).parents[1]
START_TIMEOUT = 90
END_TIMEOUT = 60


class SandboxProcess:
    """
    `python -m sandbox`, running.

    `state` is what it prints when it is ready: endpoint_url, docker_host, alb_url, config, …
    """

    def __init__(self, directory, temporary, *arguments):
        self.directory = directory
        self.state_file = directory / "state.json"
        self.record_file = directory / "record.jsonl"
        self.log = directory / "sandbox.log"
        self._clients = {}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sandbox"),
                    *("--state-file", str(self.state_file), "--record", str(self.record_file)),
                    *arguments,
                ],
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(temporary)},
                stdout=subprocess.PIPE,
                stderr=log,
                # A Ctrl-C that is meant for pytest lets the fixtures end it in order.
                start_new_session=True,
            )
        try:
            self.state = self._wait_until_ready()
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise

    def _wait_until_ready(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT)
        line = self.process.stdout.readline() if ready else b""
        assert line, f"the sandbox is not ready; its log:\n{self.log.read_text()}"
        return json.loads(line)

    def boto(self, service):
        """A client of the AWS that it serves; one for all who ask for the service."""
        if service not in self._clients:
            self._clients[service] = boto_client(self.state["endpoint_url"], service)
        return self._clients[service]

    def faults(self, spec):
        """Replace the faults; returns the sandbox's answer."""
        return self._request_faults(data=spec.encode(), method="PUT")

    def is_holding(self):
        """Whether it holds back the answer of the call that `hold=` names."""
        return self._request_faults()["holding"]

    def _request_faults(self, **request):
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.state['endpoint_url']}/_sandbox/faults", **request),
            timeout=10,
        ) as answer:
            return json.load(answer)

    def record(self):
        """Every AWS API call so far that was not the sandbox's own."""
        return [json.loads(line) for line in self.record_file.read_text().splitlines()]

    def changes(self, since=0):
        """The actions of the mutating calls, from that place of the record on."""
        return [call["action"] for call in self.record()[since:] if call["mutating"]]

    def get(self, path):
        """Status, headers and body of a request through the load balancer."""
        with urllib.request.urlopen(f"{self.state['alb_url']}{path}", timeout=10) as answer:
            return answer.status, answer.headers, answer.read()

    def descendants(self):
        """{(pid, start time): command line} of all processes below it."""
        return descendants(self.process.pid)

    def end(self, number=signal.SIGTERM):
        """Send the signal; return the exit code and the processes that it left behind."""
        for client in self._clients.values():
            client.close()
        started = self.descendants()
        self.process.send_signal(number)
        try:
            self.process.communicate(timeout=END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        left = [command for identity, command in started.items() if is_alive(identity)]
        return self.process.returncode, left


def boto_client(endpoint_url, service):
    """A boto3 client of a sandbox, which takes any credentials."""
    return _session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="AKIAREHEARSALREHEARS",
        aws_secret_access_key="rehearsal",
    )


@functools.cache
def _session():
    """Shared, as each session reads the models of the services again, which takes seconds."""
    return botocore.session.Session()


@contextlib.contextmanager
def running_sandbox(directory, temporary, *arguments):
    """A sandbox that ends with the context, and is then to have left no process behind."""
    sandbox = SandboxProcess(directory, temporary, *arguments)
    try:
        yield sandbox
    finally:
        if sandbox.process.poll() is None:
            code, left = sandbox.end()
            assert (code, left) == (0, []), sandbox.log.read_text()
