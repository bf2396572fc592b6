"""The question that a teardown asks before it deletes."""

from types import SimpleNamespace

import pytest

from flows.teardown import _Found


def found(*services):
    removing = [SimpleNamespace(service=name) for name in services]
    return _Found((), SimpleNamespace(removing=removing, abandoned=not services))


@pytest.mark.parametrize(
    ("services", "question"),
    [
        (("users", "posts"), "Remove everything that the split made for users, posts?"),
        ((), "Remove what a run that was killed has left?"),
    ],
)
def test_the_question_names_what_is_removed(services, question):
    assert found(*services).question == question
