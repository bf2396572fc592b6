"""Which images ECS runs, or would run again."""

from tasks.ecs.in_use import InUse, images_of


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


def test_another_repositorys_image_is_not_in_use():
    assert not InUse(frozenset(), frozenset({"host/posts@sha256:1", "host/posts:v1"})).has_image(
        "host/users", "sha256:1", ["v1"]
    )


def test_the_image_of_every_container_counts():
    assert images_of({"containerDefinitions": [{"image": "a"}, {"image": "b"}]}) == {"a", "b"}
