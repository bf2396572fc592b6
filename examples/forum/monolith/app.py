"""The forum in one piece: users, threads and posts."""

import json
from pathlib import Path
from typing import Any

from web import serve

FORUM = json.loads(Path(__file__).with_name("db.json").read_text(encoding="utf-8"))


def find_all(collection: str, key: str, value: str) -> list[Any]:
    """Everything in a collection whose key has that value, as it stands in a path."""
    return [item for item in FORUM[collection] if str(item[key]) == value]


def find_one(collection: str, key: str, value: str) -> Any:
    """The first of them, if there is one."""
    return next(iter(find_all(collection, key, value)), None)


if __name__ == "__main__":
    serve(
        "monolith",
        {
            r"/": lambda: "Ready to receive requests",
            r"/api/?": lambda: "API ready to receive requests",
            r"/api/users/?": lambda: FORUM["users"],
            r"/api/users/([^/]+)/?": lambda user: find_one("users", "id", user),
            r"/api/threads/?": lambda: FORUM["threads"],
            r"/api/threads/([^/]+)/?": lambda thread: find_one("threads", "id", thread),
            r"/api/posts/?": lambda: FORUM["posts"],
            r"/api/posts/in-thread/([^/]+)/?": lambda thread: find_all("posts", "thread", thread),
            r"/api/posts/by-user/([^/]+)/?": lambda user: find_all("posts", "user", user),
        },
    )
