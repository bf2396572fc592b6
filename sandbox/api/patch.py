"""Put something of ours in the place of something of moto's, and take it back."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

__all__ = ["patch"]


def patch(patches: ExitStack, owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """
    Replace `owner.name` until `patches` is closed; the owner is a class, or one
    of moto's backends.
    """
    had_its_own = name in vars(owner)
    before = vars(owner).get(name)
    setattr(owner, name, replacement)

    def restore() -> None:
        if vars(owner).get(name) is not replacement:
            return  # moto was reset, which throws every patch away
        if had_its_own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)

    patches.callback(restore)
