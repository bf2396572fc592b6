"""The record of users' AWS API calls: a JSON line per call."""

import json
import threading
import time
from pathlib import Path
from typing import Any

from sandbox.api.call import Call

__all__ = ["Record"]


class Record:
    """
    Appends to a file.

    Args:
        path: The file; None to record nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1) if path else None
        self._lock = threading.Lock()
        self._count = 0

    def add(self, call: Call, status: int, error_code: str | None) -> None:
        """Append a call with the HTTP status and the AWS error code of its answer."""
        if self._file is None:
            return
        with self._lock:
            self._count += 1
            line: dict[str, Any] = {
                "n": self._count,
                "time": time.time(),
                "service": call.service,
                "action": call.action,
                "mutating": call.mutating,
                "status": status,
                "error_code": error_code,
                "parameters": call.parameters,
            }
            self._file.write(json.dumps(line, default=str) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
