"""`python -m flows.client`: users that never stop calling."""

import json
import signal
import subprocess
import sys

from tests.e2e.runs import ROOT, wait_until

__all__ = ["Client"]


class Client:
    """A client at work on some paths of a load balancer."""

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
        The answers so far, `{"t", "path", "status", "backend", …}` each, without the one that is
        being written.
        """
        return [json.loads(line) for line in self._answers.read_text().splitlines()[:-1]]

    def backends(self, path, since=0.0):
        """The backends that have answered requests for the path that were sent since then."""
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
