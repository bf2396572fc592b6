"""What holds for the repository as a whole."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import FIRST_FILES

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(name: str) -> str:
    """The spelling by which the index knows a package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(requirements: list[str]) -> set[str]:
    return {normal(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in requirements}


def locked(lock: str) -> set[str]:
    names = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", (ROOT / lock).read_text(), re.MULTILINE
    )
    return {normal(name) for name in names}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_address(lock):
    assert re.findall(r"https?://\S+", (ROOT / lock).read_text()) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_chooses_no_index(lock):
    option = r"^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links)\b"
    assert re.findall(option, (ROOT / lock).read_text(), re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock):
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)
    assert [
        entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry
    ] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked(lock):
    assert required(PYPROJECT["project"]["dependencies"]) - locked(lock) == set()


def test_every_development_dependency_is_locked():
    assert (
        required(PYPROJECT["dependency-groups"]["dev"]) - locked("requirements-dev.lock") == set()
    )


def test_no_package_file_stands_under_tests():
    assert sorted((ROOT / "tests").rglob("__init__.py")) == []


def test_the_files_that_workers_get_first_exist():
    names = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(FIRST_FILES) - names == set()
