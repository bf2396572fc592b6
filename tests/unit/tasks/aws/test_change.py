"""What has to change in one resource."""

import pytest

from config.errors import ResourceConflict
from tasks.aws.change import (
    UNKNOWN,
    Conflict,
    Create,
    NoChange,
    Update,
    compare_fields,
    refuse_conflict,
)


def test_equal_fields_are_no_change():
    assert compare_fields({"Port": 80}, {"Port": 80}) == NoChange()


def test_a_differing_field_is_an_update_with_before_and_after():
    assert compare_fields({"Port": 80, "Path": "/"}, {"Port": 90, "Path": "/"}) == Update(
        {"Port": (90, 80)}
    )


def test_a_missing_field_was_none_before():
    assert compare_fields({"Port": 80}, {}) == Update({"Port": (None, 80)})


def test_further_observed_fields_are_ignored():
    assert compare_fields({"Port": 80}, {"Port": 80, "Arn": "arn:x"}) == NoChange()


def test_an_unknown_value_is_not_compared():
    assert compare_fields({"Arn": UNKNOWN}, {"Arn": "arn:x"}) == NoChange()


def test_a_conflict_is_refused_with_its_reason():
    with pytest.raises(ResourceConflict, match="taken by another"):
        refuse_conflict(Conflict("taken by another"))


@pytest.mark.parametrize(
    "change", [NoChange(), Create(), Update({"Port": (1, 2)})], ids=lambda change: change.kind
)
def test_anything_but_a_conflict_is_not_refused(change):
    refuse_conflict(change)
