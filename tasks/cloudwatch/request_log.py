"""Which paths a container's log says it was asked for."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

__all__ = ["requested_paths"]

# As in the common log format and its many relatives: a method, and then the path.
_REQUEST: Final = re.compile(
    r"\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (?:https?://[^/\s]+)?(/[^\s\"'?#]*)"
)


def requested_paths(lines: Iterable[str]) -> Counter[str]:
    """
    How often each path was asked for, without query strings; lines that tell of no request do not
    count.
    """
    return Counter(found[1] for line in lines if (found := _REQUEST.search(line)))
