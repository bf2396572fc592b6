"""
Reads pytest's JUnit files: fails when a test was skipped, and says on which engines tests ran.

    python -m tests.verdict build/junit.xml...
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["main"]


def main(files):
    """Print the findings; exit code 1 when a test was skipped, or there was none."""
    cases = [case for file in files for case in ET.parse(file).iter("testcase")]  # noqa: S314 - pytest's own
    skipped = [case for case in cases if case.find("skipped") is not None]
    needs = Counter(
        need.get("value") for case in cases if case not in skipped for need in case.iter("property")
    )
    for mark, what in (("docker", "a real Docker engine"), ("browser", "Chromium")):
        print(f"{needs[mark]} tests ran on {what}")
    for case in skipped:
        print(
            f"skipped: {case.get('classname')}::{case.get('name')}: "
            f"{case.find('skipped').get('message')}"
        )
    if skipped or not cases:
        print(f"{len(skipped)} of {len(cases)} tests were skipped; here, each of them has to run")
    return 1 if skipped or not cases else 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
