"""The paths of the requests in a container's log."""

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
    """Count the requests for each path, without query strings; lines without one do not count."""
    found = (_REQUEST.search(line) for line in lines)
    return Counter(match[1] for match in found if match)
