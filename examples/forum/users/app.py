"""The users service of the forum."""

import json
from pathlib import Path
from typing import Any

from web import serve

USERS = json.loads(Path(__file__).with_name("db.json").read_text(encoding="utf-8"))["users"]


def one_user(user_id: str) -> Any:
    """The user of that id, if there is one."""
    return next((user for user in USERS if str(user["id"]) == user_id), None)


if __name__ == "__main__":
    serve(
        "users",
        {
            r"/": lambda: "Ready to receive requests",
            r"/api/?": lambda: "API ready to receive requests",
            r"/api/users/?": lambda: USERS,
            r"/api/users/([^/]+)/?": one_user,
        },
    )
