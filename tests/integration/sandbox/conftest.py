"""Fixtures of the tests that build images."""

import pytest


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory):
    """An image cache, empty at first: the base image is made once, by the code under test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cache(cache_folder):
    """Engines that are made meanwhile use the image cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_folder))
        yield
