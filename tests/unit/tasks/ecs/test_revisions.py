"""Which old revisions may be deleted: none that is needed."""

from tasks.ecs.revisions import choose_old_revisions

REVISIONS = [
    f"arn:aws:ecs:eu-central-1:123456789012:task-definition/users-task-def:{number}"
    for number in (5, 4, 3, 2, 1)
]
FIVE, FOUR, THREE, TWO, ONE = REVISIONS


def test_the_newest_revision_stays():
    assert FIVE not in choose_old_revisions(REVISIONS, (), 0)


def test_the_configured_number_of_other_revisions_stays():
    assert choose_old_revisions(REVISIONS, (), 2) == [TWO, ONE]


def test_a_revision_in_use_stays_whatever_its_age():
    assert choose_old_revisions(REVISIONS, {ONE}, 0) == [FOUR, THREE, TWO]


def test_revisions_in_use_do_not_count_among_those_that_are_kept():
    assert choose_old_revisions(REVISIONS, {FOUR}, 1) == [TWO, ONE]


def test_a_family_without_revisions_has_no_old_ones():
    assert choose_old_revisions([], (), 1) == []
