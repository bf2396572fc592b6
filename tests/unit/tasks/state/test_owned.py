"""Which ECS service a teardown has to delete."""

import pytest

from tasks.aws.tags import Owner
from tasks.state.owned import _is_owned

OWNER = Owner(split="forum", service="users")


@pytest.mark.parametrize(
    ("service", "owned"),
    [
        (None, False),
        ({"status": "ACTIVE", "tags": OWNER.tags}, True),
        ({"status": "ACTIVE", "tags": {}}, False),
        # A killed teardown's: ECS ends it by itself, perhaps between the plan and the lock.
        ({"status": "DRAINING", "tags": OWNER.tags}, False),
    ],
)
def test_a_service_that_is_draining_is_not_deleted_again(service, owned):
    assert _is_owned(service, OWNER) is owned
