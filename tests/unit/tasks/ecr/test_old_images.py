"""Which old revisions and images may go: never one that something needs."""

from datetime import UTC, datetime

from tasks.ecr.old_images import PushedImage, choose_old_images
from tasks.ecs.in_use import InUse, images_of
from tasks.ecs.revisions import choose_old_revisions

REVISIONS = [
    f"arn:aws:ecs:eu-central-1:123456789012:task-definition/users-task-def:{number}"
    for number in (5, 4, 3, 2, 1)
]
FIVE, FOUR, THREE, TWO, ONE = REVISIONS


def image(number, *tags):
    return PushedImage(
        f"sha256:{number}", tags or (f"c-{number:016x}",), datetime(2026, 1, number, tzinfo=UTC)
    )


IMAGES = [image(number) for number in (1, 2, 3, 4, 5)]


def old_images(in_use=(), kept=(), keep=1, images=IMAGES):
    return [item.digest for item in choose_old_images(images, set(in_use), set(kept), keep)]


def test_the_newest_revision_stays():
    assert FIVE not in choose_old_revisions(REVISIONS, (), 0)


def test_so_many_other_revisions_stay():
    assert choose_old_revisions(REVISIONS, (), 2) == [TWO, ONE]


def test_a_revision_in_use_stays_whatever_its_age():
    assert choose_old_revisions(REVISIONS, {ONE}, 0) == [FOUR, THREE, TWO]


def test_revisions_in_use_do_not_count_among_those_that_are_kept():
    assert choose_old_revisions(REVISIONS, {FOUR}, 1) == [TWO, ONE]


def test_a_family_without_revisions_has_no_old_ones():
    assert choose_old_revisions([], (), 1) == []


def test_the_newest_images_are_kept():
    assert old_images(keep=2) == ["sha256:3", "sha256:2", "sha256:1"]


def test_an_image_in_use_stays_and_does_not_count():
    assert old_images(in_use=["sha256:1"], keep=3) == ["sha256:2"]


def test_images_of_kept_revisions_are_kept_before_newer_ones():
    assert old_images(kept=["sha256:1"], keep=1) == ["sha256:5", "sha256:4", "sha256:3", "sha256:2"]


def test_an_image_with_a_tag_of_somebody_else_s_stays():
    images = [image(1, "c-0000000000000001", "v1"), image(2), image(3)]
    assert old_images(images=images, keep=1) == ["sha256:2"]


def test_an_image_without_tags_stays():
    images = [PushedImage("sha256:1", (), datetime(2026, 1, 1, tzinfo=UTC)), image(2), image(3)]
    assert old_images(images=images, keep=1) == ["sha256:2"]


def test_an_image_is_in_use_by_its_digest():
    assert InUse(frozenset(), frozenset({"host/users@sha256:1"})).has_image(
        "host/users", "sha256:1"
    )


def test_an_image_is_in_use_by_a_tag():
    assert InUse(frozenset(), frozenset({"host/users:v1"})).has_image(
        "host/users", "sha256:1", ["v1"]
    )


def test_an_image_is_in_use_by_the_digest_of_a_running_container():
    assert InUse(frozenset(), frozenset({"sha256:1"})).has_image("host/users", "sha256:1")


def test_another_repository_s_image_is_not_in_use():
    assert not InUse(frozenset(), frozenset({"host/posts@sha256:1", "host/posts:v1"})).has_image(
        "host/users", "sha256:1", ["v1"]
    )


def test_every_container_s_image_counts():
    assert images_of({"containerDefinitions": [{"image": "a"}, {"image": "b"}]}) == {"a", "b"}
