"""Which images a build starts from, and how they are part of its tag."""

from types import SimpleNamespace

import docker.errors
import pytest

from config.errors import PreflightFailed
from config.service import Build, ServiceConfig
from tasks.ecr.build import content_tag, is_tag_of, tag_with_bases
from tasks.ecr.context import wanted as module
from tasks.ecr.context.dockerfile import base_images, read_dockerfile
from tasks.ecr.context.refusals import classic_refusals
from tasks.ecr.context.wanted import wanted_tag
from tasks.ecr.old_images import PushedImage
from tasks.ecr.pin import PinnedImage

ONE, TWO = ("sha256:" + digit * 64 for digit in "12")


def dockerfile(folder, text):
    (folder / "Dockerfile").write_text(text)
    return read_dockerfile(Build(context=folder))


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM nginx:1.27\n", ["nginx:1.27"]),
        ("ARG B=node:22\nFROM ${B} AS build\nFROM scratch\nCOPY --from=build /a /a\n", ["node:22"]),
        ("ARG V=3.11\nFROM python:$V-slim\n", ["python:3.11-slim"]),
        ("FROM --platform=linux/amd64 a/b:1 AS x\nFROM x\nCOPY --from=0 a b\n", ["a/b:1"]),
        ("FROM a\nCOPY --chmod=755 --from=busybox:1 /bin/sh /sh\n", ["a", "busybox:1"]),
        ("FROM a\nRUN --mount=type=bind,from=tools:2,target=/t true\n", ["a", "tools:2"]),
        ("FROM a\nRUN <<EOF\nFROM not-an-image\nEOF\n", ["a"]),
        ("ARG B\nFROM ${B:-alpine}\n", ["alpine"]),
        ("ARG B='quoted:1'\nFROM $B\n", ["quoted:1"]),
    ],
)
def test_the_images_that_a_build_reads(tmp_path, text, images):
    assert base_images(dockerfile(tmp_path, text), {}) == images


def test_a_build_argument_names_the_base_image(tmp_path):
    read = dockerfile(tmp_path, "ARG BASE=python:3.11-slim\nFROM ${BASE}\n")
    assert base_images(read, {"BASE": "own/python:1"}) == ["own/python:1"]


class World:
    """An engine and registries."""

    def __init__(self, monkeypatch):
        self.local, self.remote, self.pushed = {}, {}, []
        images = SimpleNamespace(get=self.get)
        monkeypatch.setattr(module, "engine", lambda _: SimpleNamespace(images=images))
        monkeypatch.setattr(module, "pin_image", self.pin)
        monkeypatch.setattr(module, "read_images", lambda *_: self.pushed)

    def get(self, name):
        if name not in self.local:
            raise docker.errors.ImageNotFound(name)
        return SimpleNamespace(id=ONE, attrs={"RepoDigests": self.local[name]})

    def pin(self, _aws, image):
        found = self.remote[image]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


@pytest.fixture
def service(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM nginx:1.27\n")
    return ServiceConfig(name="cart", path_patterns=("/c*",), build=Build(context=tmp_path))


def wanted(service):
    return wanted_tag(None, None, service)


def test_a_newer_base_image_has_another_tag(world, service):
    tags = set()
    for digest in (ONE, TWO):
        world.remote["nginx:1.27"] = PinnedImage(f"nginx@{digest}")
        tags.add(wanted(service).reference)
    assert len(tags) == 2


def test_the_engines_own_base_image_comes_first(world, service):
    world.local["nginx:1.27"] = [f"other@{ONE}", f"nginx@{TWO}"]
    tag = content_tag(service.build, service.cpu_architecture)
    assert wanted(service).reference == tag_with_bases(tag, {"nginx:1.27": TWO})


def test_a_base_image_that_cannot_be_read_is_noted(world, service):
    world.remote["nginx:1.27"] = PinnedImage("nginx:1.27", "note", "docker.io does not answer")
    found = wanted(service)
    assert found.reference == content_tag(service.build, service.cpu_architecture)
    assert "digest of base image nginx:1.27 is unknown (docker.io does not answer)" in found.note


def test_a_registry_that_is_down_does_not_cause_a_build(world, service):
    world.remote["nginx:1.27"] = PinnedImage("nginx:1.27", "note", "down")
    tag = content_tag(service.build, service.cpu_architecture)
    pushed = tag_with_bases(tag, {"nginx:1.27": ONE})
    when = SimpleNamespace(timestamp=lambda: 1.0)
    world.pushed = [PushedImage(TWO, ("c-other",), when), PushedImage(ONE, (pushed,), when)]
    assert wanted(service).reference == pushed


def test_a_base_image_that_was_deleted_does_not_matter_once_the_image_is_built(world, service):
    world.remote["nginx:1.27"] = PreflightFailed("image: nginx:1.27 is not in docker.io; push it")
    pushed = content_tag(service.build, service.cpu_architecture)
    when = SimpleNamespace(timestamp=lambda: 1.0)
    world.pushed = [PushedImage(ONE, (pushed,), when)]
    assert wanted(service).reference == pushed


def test_a_base_image_that_does_not_exist_is_refused(world, service):
    world.remote["nginx:1.27"] = PreflightFailed("image: nginx:1.27 is not in docker.io; push it")
    with pytest.raises(
        PreflightFailed, match=r"^build\.dockerfile: base image nginx:1\.27 is not in"
    ):
        wanted(service)


def test_a_tag_is_recognized_whatever_its_base_image_was():
    tag = "c-0123456789abcdef"
    assert is_tag_of(tag_with_bases(tag, {"a": ONE}), tag)
    assert is_tag_of(tag, tag)
    assert not is_tag_of("c-fedcba9876543210-01234567", tag)


def refusals(folder, text):
    return list(classic_refusals(dockerfile(folder, text).instructions))


def test_everything_that_the_docker_api_refuses_is_named_at_once(tmp_path):
    text = "FROM a\nRUN --mount=type=cache y\nCOPY --link a b\nCOPY <<EOF /x\nhi\nEOF\nHI x\n"
    lines = [line.split(":")[0] for line in refusals(tmp_path, text)]
    assert lines == [f"Dockerfile line {number}" for number in (2, 3, 4, 7)]


def test_an_ordinary_dockerfile_is_not_refused(tmp_path):
    text = "FROM a AS b\nRUN cat <x >y && echo 1<<2\nCOPY --from=b --chown=1:1 a b\nONBUILD RUN x\n"
    assert refusals(tmp_path, text) == []
