"""Which image a service is given: the planned one, or none."""

from types import SimpleNamespace

import pytest

from config.errors import BuildFailed
from config.service import Build, ServiceConfig
from flows.service import prepare as module
from flows.service.prepare import _ensure_image
from tasks.ecr.build import content_tag

URI = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/users"
DIGEST = "sha256:4711"


class Registry:
    """Builds and pushes are recorded here instead of carried out."""

    def __init__(self, monkeypatch):
        self.digest, self.built, self.pushed = None, [], []
        self.while_building = lambda: None
        monkeypatch.setattr(module, "ensure_repository", self._ensure_repository)
        monkeypatch.setattr(module, "desired_repository", lambda *_: None)
        monkeypatch.setattr(module, "read_digest", lambda *_: self.digest)
        monkeypatch.setattr(module, "build_image", self._build)
        monkeypatch.setattr(module, "push_image", self._push)

    async def _ensure_repository(self, *_):
        return URI

    async def _build(self, _host, _service, reference):
        self.built.append(reference)
        self.while_building()

    async def _push(self, _aws, _host, _service, uri, tag):
        self.pushed.append(tag)
        return SimpleNamespace(pinned=f"{uri}@{DIGEST}")


@pytest.fixture
def registry(monkeypatch):
    return Registry(monkeypatch)


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app.py").write_text("print('users')\n")
    return tmp_path


def service_of(sources):
    return ServiceConfig(name="users", path_patterns=("/u*",), build=Build(context=sources))


def tag_of(service):
    return content_tag(service.build, service.cpu_architecture)


async def ensure(service, image):
    posts = ServiceConfig(name="posts", path_patterns=("/p*",), image="posts:1")
    config = SimpleNamespace(aws=None, docker_host=None, services=(posts, service))
    return await _ensure_image(config, service, None, image)


async def test_the_planned_image_is_built_and_pushed(registry, sources):
    service = service_of(sources)
    tag = tag_of(service)
    assert await ensure(service, tag) == f"{URI}@{DIGEST}"
    assert (registry.built, registry.pushed) == ([f"{URI}:{tag}"], [tag])


async def test_an_image_that_is_in_the_registry_is_not_built(registry, sources):
    registry.digest = DIGEST
    assert await ensure(service_of(sources), "c-planned") == f"{URI}@{DIGEST}"
    assert (registry.built, registry.pushed) == ([], [])


async def test_a_ready_image_is_used_as_planned(registry):
    ready = ServiceConfig(name="users", path_patterns=("/u*",), image="users:1")
    assert await ensure(ready, "users@sha256:1") == "users@sha256:1"
    assert registry.built == []


async def test_sources_that_changed_after_the_plan_are_not_pushed(registry, sources):
    service = service_of(sources)
    planned = tag_of(service)
    (sources / "app.py").write_text("print('edited')\n")
    with pytest.raises(BuildFailed) as caught:
        await ensure(service, planned)
    assert str(caught.value) == (
        f"services[1].build: the files in {sources} changed after the plan was made; run again"
    )
    assert registry.pushed == []


async def test_sources_that_change_during_the_build_are_not_pushed(registry, sources):
    service = service_of(sources)
    planned = tag_of(service)
    registry.while_building = lambda: (sources / "app.py").write_text("print('edited')\n")
    with pytest.raises(BuildFailed, match="changed after the plan was made"):
        await ensure(service, planned)
    assert registry.pushed == []
