"""The record of users' AWS API calls: one JSON line a call."""

import json
import threading
import time
from pathlib import Path
from typing import Any

from sandbox.api.call import Call

__all__ = ["Record"]


class Record:
    """Appends to a file, if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1) if path else None
        self._lock = threading.Lock()
        self._count = 0

    def add(self, call: Call, status: int, error_code: str | None) -> None:
        """Write the call down, with what was answered."""
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
