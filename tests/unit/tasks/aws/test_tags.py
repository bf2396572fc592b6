"""Whose a resource is."""

import pytest

from tasks.aws.change import Conflict
from tasks.aws.tags import CONFIG, MANAGED_BY, SERVICE, TOOL, Owner, tag_dict, tag_list

OWNER = Owner(split="forum", service="users")
FOREIGN = [
    pytest.param({}, "was not made by this tool", id="no tags"),
    pytest.param({"team": "blue"}, "was not made by this tool", id="somebody's tags"),
    pytest.param(
        {MANAGED_BY: TOOL, CONFIG: "shop"}, "belongs to split 'shop'", id="another split's"
    ),
]


def test_an_owners_tags_name_the_tool_the_split_and_the_service():
    assert OWNER.tags == {MANAGED_BY: TOOL, CONFIG: "forum", SERVICE: "users"}


def test_an_owner_owns_what_it_tagged():
    assert OWNER.owns(OWNER.tags)


def test_further_tags_do_not_change_the_owner():
    assert OWNER.owns(OWNER.tags | {"team": "blue"})


def test_another_tools_tag_is_not_ownership():
    assert not OWNER.owns({MANAGED_BY: "terraform", CONFIG: "forum"})


def test_an_adopted_resource_is_owned_but_not_made():
    tags = OWNER.tags_over({"team": "blue"})
    assert (OWNER.owns(tags), OWNER.made(tags)) == (True, False)


def test_a_resource_of_another_split_is_not_tagged_as_adopted():
    assert OWNER.made(OWNER.tags_over({MANAGED_BY: TOOL, CONFIG: "shop"}))


def test_an_own_resource_keeps_its_tags():
    assert OWNER.tags_over(OWNER.tags | {"team": "blue"}) == OWNER.tags


def test_an_own_resource_is_no_conflict():
    assert OWNER.conflict("target group", "users-tg", OWNER.tags) is None


@pytest.mark.parametrize(("tags", "reason"), FOREIGN)
def test_a_resource_of_others_is_a_conflict_with_its_origin(tags, reason):
    conflict = OWNER.conflict("target group", "users-tg", tags)
    assert isinstance(conflict, Conflict)
    assert f"target group users-tg exists and {reason}; rename service users" in conflict.reason


@pytest.mark.parametrize(("tags", "reason"), FOREIGN)
def test_a_resource_of_others_may_be_adopted(tags, reason):
    _ = reason
    assert (
        Owner(split="forum", service="users", adopt=True).conflict("target group", "users-tg", tags)
        is None
    )


def test_a_conflict_names_the_flag_that_adopts():
    assert "--adopt users" in OWNER.conflict("target group", "users-tg", {}).reason


@pytest.mark.parametrize("lower", [False, True])
def test_tags_survive_either_form_of_aws(lower):
    assert tag_dict(tag_list(OWNER.tags, lower=lower)) == OWNER.tags


def test_ecs_tags_are_in_lower_case():
    assert tag_list({"a": "b"}, lower=True) == [{"key": "a", "value": "b"}]
