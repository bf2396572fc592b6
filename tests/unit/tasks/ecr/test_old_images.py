"""Which old images may be deleted: none that is needed."""

from datetime import UTC, datetime

from tasks.ecr.old_images import PushedImage, choose_old_images


def image(number, *tags):
    return PushedImage(
        f"sha256:{number}", tags or (f"c-{number:016x}",), datetime(2026, 1, number, tzinfo=UTC)
    )


IMAGES = [image(number) for number in (1, 2, 3, 4, 5)]


def old_images(in_use=(), kept=(), keep=1, images=IMAGES):
    return [item.digest for item in choose_old_images(images, set(in_use), set(kept), keep)]


def test_the_newest_images_are_kept():
    assert old_images(keep=2) == ["sha256:3", "sha256:2", "sha256:1"]


def test_an_image_in_use_stays_and_does_not_count():
    assert old_images(in_use=["sha256:1"], keep=3) == ["sha256:2"]


def test_images_of_kept_revisions_are_kept_before_newer_ones():
    assert old_images(kept=["sha256:1"], keep=1) == ["sha256:5", "sha256:4", "sha256:3", "sha256:2"]


def test_an_image_with_a_tag_of_others_stays():
    images = [image(1, "c-0000000000000001", "v1"), image(2), image(3)]
    assert old_images(images=images, keep=1) == ["sha256:2"]


def test_an_image_without_tags_stays():
    images = [PushedImage("sha256:1", (), datetime(2026, 1, 1, tzinfo=UTC)), image(2), image(3)]
    assert old_images(images=images, keep=1) == ["sha256:2"]
