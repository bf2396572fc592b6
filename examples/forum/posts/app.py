"""The posts service of the forum."""

import json
from pathlib import Path
from typing import Any

from web import serve

POSTS = json.loads(Path(__file__).with_name("db.json").read_text(encoding="utf-8"))["posts"]


def posts_in_thread(thread_id: str) -> list[Any]:
    """What was written in a thread."""
    return [post for post in POSTS if str(post["thread"]) == thread_id]


def posts_by_user(user_id: str) -> list[Any]:
    """What a user wrote."""
    return [post for post in POSTS if str(post["user"]) == user_id]


if __name__ == "__main__":
    serve(
        "posts",
        {
            r"/": lambda: "Ready to receive requests",
            r"/api/?": lambda: "API ready to receive requests",
            r"/api/posts/?": lambda: POSTS,
            r"/api/posts/in-thread/([^/]+)/?": posts_in_thread,
            r"/api/posts/by-user/([^/]+)/?": posts_by_user,
        },
    )
