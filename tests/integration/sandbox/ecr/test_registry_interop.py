"""The registry with other clients, and the embedded engine with another registry."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack, closing
from types import SimpleNamespace

import docker
import pytest

from sandbox.addresses import Addresses
from sandbox.ecr.registry import Registry
from sandbox.engine.process.engine import ProcessEngine
from tests.integration.sandbox.strictness import served_aws
from tests.ports import free_port

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


@pytest.fixture(scope="module")
def parts(tmp_path_factory, cache):  # noqa: ARG001 - fixtures are asked for by name
    run_dir = tmp_path_factory.mktemp("run")
    with ExitStack() as stack:
        addresses = stack.enter_context(closing(Addresses()))
        parts = []

        def registry(url):
            parts.append(Registry(url, run_dir / "registry"))
            return parts

        ecr = stack.enter_context(served_aws(registry)).client("ecr")
        (registry,) = parts
        engine = ProcessEngine(registry.login, addresses, run_dir)
        stack.enter_context(closing(engine))
        client = docker.DockerClient(base_url=engine.docker_host)
        stack.enter_context(closing(client))
        yield SimpleNamespace(engine=engine, registry=registry, ecr=ecr, client=client)


@pytest.fixture(scope="module")
def built(parts, tmp_path_factory):
    """An image of the embedded engine's, pushed as `source:v1`."""
    folder = tmp_path_factory.mktemp("context")
    (folder / "hello.txt").write_text("hello")
    (folder / "Dockerfile").write_text(
        'FROM split-sandbox/python\nCOPY hello.txt /\nCMD ["python3", "-c", '
        "\"print(open('/hello.txt').read())\"]\n"
    )
    uri = parts.ecr.create_repository(repositoryName="source")["repository"]["repositoryUri"]
    parts.client.images.build(path=str(folder), tag=f"{uri}:v1")
    events = parts.client.api.push(
        uri, tag="v1", auth_config=login(parts), stream=True, decode=True
    )
    assert [event["error"] for event in events if "error" in event] == []
    return uri


def login(parts):
    token = parts.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    username, _, password = base64.b64decode(token).decode().partition(":")
    return {"username": username, "password": password}


def skopeo(parts, *arguments):
    found = login(parts)
    credentials = f"{found['username']}:{found['password']}"
    words = [credentials if word == "LOGIN" else word for word in arguments]
    return subprocess.run(
        ["skopeo", *words], capture_output=True, text=True, check=False, timeout=60
    )


@needs_skopeo
def test_skopeo_reads_an_image_of_the_embedded_engine(parts, built):
    done = skopeo(
        parts, "inspect", "--tls-verify=false", "--creds", "LOGIN", f"docker://{built}:v1"
    )
    assert (
        json.loads(done.stdout)["Digest"]
        == parts.ecr.describe_images(repositoryName="source")["imageDetails"][0]["imageDigest"]
    )


@needs_skopeo
def test_skopeo_pulls_and_pushes_an_image_unchanged(parts, built, tmp_path):
    target = parts.ecr.create_repository(repositoryName="copy")["repository"]["repositoryUri"]
    folder = f"oci:{tmp_path}/layout:v1"
    for words in (
        ("--src-tls-verify=false", "--src-creds", "LOGIN", f"docker://{built}:v1", folder),
        ("--dest-tls-verify=false", "--dest-creds", "LOGIN", folder, f"docker://{target}:v1"),
    ):
        done = skopeo(parts, "copy", *words)
        assert done.returncode == 0, done.stderr
    digests = {
        parts.ecr.describe_images(repositoryName=name)["imageDetails"][0]["imageDigest"]
        for name in ("source", "copy")
    }
    assert len(digests) == 1


@needs_skopeo
def test_skopeo_pushes_dockers_own_format(parts, built):
    target = parts.ecr.create_repository(repositoryName="v2s2")["repository"]["repositoryUri"]
    done = skopeo(
        parts,
        "copy",
        "--format",
        "v2s2",
        "--src-tls-verify=false",
        "--src-creds",
        "LOGIN",
        "--dest-tls-verify=false",
        "--dest-creds",
        "LOGIN",
        f"docker://{built}:v1",
        f"docker://{target}:v1",
    )
    assert done.returncode == 0, done.stderr
    pulled = parts.engine.pull(f"{target}:v1")
    assert (
        parts.ecr.describe_images(repositoryName="v2s2")["imageDetails"][0]["imageDigest"] == pulled
    )


@needs_skopeo
def test_skopeo_reports_a_missing_repository(parts, built):
    done = skopeo(
        parts,
        "copy",
        "--src-tls-verify=false",
        "--src-creds",
        "LOGIN",
        "--dest-tls-verify=false",
        "--dest-creds",
        "LOGIN",
        f"docker://{built}:v1",
        f"docker://{parts.registry.host}/missing:v1",
    )
    assert "The repository with name 'missing' does not exist" in done.stderr


@needs_skopeo
def test_skopeo_lists_the_tags(parts, built):
    done = skopeo(parts, "list-tags", "--tls-verify=false", "--creds", "LOGIN", f"docker://{built}")
    assert json.loads(done.stdout)["Tags"] == ["v1"]


@pytest.fixture
def real(tmp_path):
    """A real Docker engine's command line, with a configuration of its own."""

    def run(*arguments, **options):
        words = ["docker", "--config", str(tmp_path / "docker"), *arguments]
        return subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=120, **options
        )

    return run


@pytest.mark.docker
def test_a_real_engine_runs_an_image_of_the_embedded_one(parts, built, real):
    found = login(parts)
    done = real(
        "login",
        "-u",
        found["username"],
        "--password-stdin",
        parts.registry.host,
        input=found["password"],
    )
    assert done.returncode == 0, done.stderr
    try:
        done = real("run", "--rm", f"{built}:v1")
    finally:
        real("rmi", f"{built}:v1")
    assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr


@pytest.mark.docker
def test_a_real_engine_pushes_what_the_embedded_one_pulls(parts, real, tmp_path):
    uri = parts.ecr.create_repository(repositoryName="real")["repository"]["repositoryUri"]
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    found = login(parts)
    real(
        "login",
        "-u",
        found["username"],
        "--password-stdin",
        parts.registry.host,
        input=found["password"],
    )
    try:
        real("build", "-t", f"{uri}:v1", str(tmp_path / "context"))
        done = real("push", f"{uri}:v1")
    finally:
        real("rmi", f"{uri}:v1")
    assert done.returncode == 0, done.stderr
    digest = parts.ecr.describe_images(repositoryName="real")["imageDetails"][0]["imageDigest"]
    assert parts.engine.pull(f"{uri}:v1") == digest


@pytest.mark.docker
def test_the_docker_command_line_lists_what_the_embedded_engine_has(parts, built, real):
    done = real("-H", parts.engine.docker_host, "images", "--format", "{{.Repository}}:{{.Tag}}")
    assert f"{built}:v1" in done.stdout.splitlines(), done.stderr


@pytest.fixture
def other_registry(tmp_path):
    """Debian's docker-registry on a free port."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    host = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": host},
        "log": {"level": "error"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(tmp_path / "config.yml")], stdout=log, stderr=log
        )
    try:
        wait_until_served(f"http://{host}/v2/")
        yield host
    finally:
        process.terminate()
        process.wait()


def wait_until_served(url):
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # the registry has no sign that it is ready but its answer


@pytest.mark.docker
def test_the_embedded_engine_pushes_to_and_pulls_from_another_registry(
    parts, built, other_registry
):
    name = f"{other_registry}/users"
    parts.client.images.get(f"{built}:v1").tag(name, "v1")
    events = list(parts.client.api.push(name, tag="v1", stream=True, decode=True))
    assert [event["error"] for event in events if "error" in event] == []
    (pushed,) = [event["aux"]["Digest"] for event in events if "aux" in event]
    assert parts.engine.pull(f"{name}@{pushed}") == pushed
