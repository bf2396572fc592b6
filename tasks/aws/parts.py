"""Lists in parts, for AWS calls that take a limited number of items."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["parts"]

T = TypeVar("T")


def parts(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Divide items into lists of at most `size`, in order."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
