"""How moto, and botocore for it, are changed."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any
from unittest import mock

__all__ = ["MotoPatches"]


class MotoPatches(ExitStack):
    """Methods and attributes of classes and modules, replaced until this is closed."""

    def replace(self, owner: type, name: str, function: Callable[..., Any]) -> None:
        """
        Replace a method.

        Args:
            owner: The class.
            name: The method's name.
            function: Called with the method it replaces, and then with the method's own arguments.
                A method can be replaced several times: the last replacement is called first.
        """
        method = getattr(owner, name)

        @wraps(method)
        def replacement(*args: Any, **settings: Any) -> Any:
            return function(method, *args, **settings)

        self.set(owner, name, replacement)

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a class or module."""
        self.enter_context(mock.patch.object(owner, name, value, create=True))
