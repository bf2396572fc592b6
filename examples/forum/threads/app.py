"""The threads service of the forum."""

import json
from pathlib import Path
from typing import Any

from web import serve

THREADS = json.loads(Path(__file__).with_name("db.json").read_text(encoding="utf-8"))["threads"]


def one_thread(thread_id: str) -> Any:
    """The thread of that id, if there is one."""
    return next((thread for thread in THREADS if str(thread["id"]) == thread_id), None)


if __name__ == "__main__":
    serve(
        "threads",
        {
            r"/": lambda: "Ready to receive requests",
            r"/api/?": lambda: "API ready to receive requests",
            r"/api/threads/?": lambda: THREADS,
            r"/api/threads/([^/]+)/?": one_thread,
        },
    )
