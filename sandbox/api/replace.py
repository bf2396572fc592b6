"""How moto is patched: a function of ours in a method's place, with the method to call on."""

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["replace"]


def replace(owner: type, name: str, function: Callable[..., Any]) -> None:
    """
    Put `function` in the place of the method.

    Args:
        owner: moto's class.
        name: The method's.
        function: Gets the method it replaces, then what the method gets. That may be another part's
            replacement: several can stand one before the other.
    """
    method = getattr(owner, name)

    @wraps(method)
    def replacement(*args: Any, **settings: Any) -> Any:
        return function(method, *args, **settings)

    setattr(owner, name, replacement)
