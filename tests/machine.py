"""What this machine has for the tests that need more than Python."""

import functools
import shutil

from sandbox.engine.find import _places, _why_not

__all__ = ["lacks"]


@functools.cache
def lacks(mark):
    """Why tests with the mark cannot run here; None when they can."""
    if mark == "docker":
        return _lacks_docker()
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return None
    return "no Chromium on PATH"


def _lacks_docker():
    if shutil.which("docker") is None:
        return "no docker command on PATH"
    reasons = [_why_not(place, asked_for=True) for place in _places()]
    return None if None in reasons else f"no Docker engine: {', '.join(dict.fromkeys(reasons))}"
