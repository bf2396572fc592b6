"""What is read for a plan, and what of it an earlier plan has settled already."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from config.errors import PreflightFailed
from config.service import Build, ServiceConfig
from flows.plan.observe import observe
from tasks.ecr.build import content_tag
from tasks.elbv2.rule_matching import Rule

PINNED = "registry.example.com/users@sha256:" + "1" * 64
DISCOVERED = SimpleNamespace(
    account_id="123456789012", cluster_arn="arn:cluster", listener_arn="arn:listener"
)
RULE = Rule("arn:rule", 5, (), ())


class Aws:
    """What AWS is asked for."""

    def __init__(self):
        self.tags = {}

    async def read_state(self, _aws, _cluster, _listener, service, tag):
        self.tags[service.name] = tag
        return SimpleNamespace(rules=(RULE,))


@pytest.fixture
def aws(monkeypatch):
    """AWS, whose listener has no tags."""
    monkeypatch.setattr(
        "flows.plan.observe.read_tags", lambda _aws, arns: {arn: {} for arn in arns}
    )
    return Aws()


def built(folder, name):
    context = folder / name
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    return ServiceConfig(name=name, path_patterns=(f"/{name}*",), build=Build(context=context))


def spoil(service):
    """Make the context unreadable."""
    Path(service.build.context, ".dockerignore").write_text("[")


def config(*services):
    return SimpleNamespace(name="forum", aws=None, docker_host=None, services=services)


async def test_a_build_context_is_hashed(tmp_path, aws):
    users = built(tmp_path, "users")
    seen = await observe(config(users), DISCOVERED, [users], read_state=aws.read_state)
    tag = content_tag(users.build, users.cpu_architecture)
    assert (seen.images, aws.tags) == ({"users": tag}, {"users": tag})


async def test_an_image_that_was_planned_is_not_hashed_again(tmp_path, aws):
    users = built(tmp_path, "users")
    spoil(users)
    seen = await observe(
        config(users), DISCOVERED, [users], images={"users": "c-1"}, read_state=aws.read_state
    )
    assert (seen.images, aws.tags) == ({"users": "c-1"}, {"users": "c-1"})


async def test_a_ready_image_needs_no_tag(aws):
    ready = ServiceConfig(name="users", path_patterns=("/users*",), image=PINNED)
    seen = await observe(config(ready), DISCOVERED, [ready], read_state=aws.read_state)
    assert (seen.images, aws.tags) == ({"users": PINNED}, {"users": None})


async def test_every_context_that_cannot_be_read_is_named(tmp_path, aws):
    services = [built(tmp_path, name) for name in ("users", "posts", "threads")]
    for service in services[1:]:
        spoil(service)
    with pytest.raises(PreflightFailed) as error:
        await observe(config(*services), DISCOVERED, services, read_state=aws.read_state)
    places = [line.split(":")[0].strip() for line in str(error.value).splitlines()]
    assert places == ["preflight failed", "services[1].build.context", "services[2].build.context"]


async def test_an_observation_has_account_time_and_rules(tmp_path, aws):
    users = built(tmp_path, "users")
    seen = await observe(config(users), DISCOVERED, [users], read_state=aws.read_state)
    assert (seen.account_id, seen.at > 0, seen.rules) == ("123456789012", True, (RULE,))
