"""Ready images of any registry: pinned where it names the digest, noted where it does not."""

import hashlib
import http.server
import json
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from config.errors import PreflightFailed
from config.load import load_config
from tasks.ecr import registry as registry_module
from tasks.ecr.pin import pin_image

MANIFEST = json.dumps({"schemaVersion": 2}).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
SECRET = "anonymous-token"


class Registry(http.server.BaseHTTPRequestHandler):
    """As Docker Hub: a token for everybody, then the manifest."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        self.server.seen.append((self.command, self.path))
        url = urlsplit(self.path)
        if url.path == "/token":
            scope = parse_qs(url.query)["scope"][0]
            self.reply(200, json.dumps({"token": f"{SECRET} {scope}"}).encode())
        elif url.path.startswith("/v2/closed/"):
            self.reply(401, b"", **{"WWW-Authenticate": 'Basic realm="closed"'})
        elif url.path.startswith("/v2/busy/"):
            self.reply(429, b"")
        elif self.headers.get("Authorization") != self.expected(url.path):
            realm = f"http://{self.headers['Host']}/token"
            self.reply(401, b"", **{"WWW-Authenticate": f'Bearer realm="{realm}",service="r"'})
        elif url.path.endswith("/manifests/1.27"):
            known = {} if "plain" in url.path else {"Docker-Content-Digest": DIGEST}
            self.reply(200, MANIFEST, **known)
        else:
            self.reply(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')

    def expected(self, path):
        repository = path.removeprefix("/v2/").partition("/manifests/")[0]
        return f"Bearer {SECRET} repository:{repository}:pull"

    def reply(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def registry():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def aws(sandbox):
    return load_config(Path(sandbox.state["config"])).aws


def host(registry):
    return f"127.0.0.1:{registry.server_port}"


@pytest.mark.parametrize("repository", ["nginx", "team/nginx", "plain"])
def test_a_tag_is_replaced_by_the_digest_that_its_registry_names(aws, registry, repository):
    name = f"{host(registry)}/{repository}"
    pinned = pin_image(aws, f"{name}:1.27")
    assert (pinned.reference, pinned.note) == (f"{name}@{DIGEST}", None)


def test_reading_a_digest_does_not_count_as_a_pull(aws, registry):
    pin_image(aws, f"{host(registry)}/nginx:1.27")
    methods = [method for method, path in registry.seen if "/manifests/" in path]
    assert methods == ["HEAD", "HEAD"]


@pytest.mark.parametrize("image", ["nginx:1.27", "library/nginx:1.27", "docker.io/nginx:1.27"])
def test_an_official_image_of_docker_hub_is_pinned(aws, registry, monkeypatch, image):
    # Only the address is replaced: Docker Hub itself is on another machine.
    monkeypatch.setattr(registry_module, "_urls", lambda _: [f"http://{host(registry)}"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert pin_image(aws, image).reference == f"{image.removesuffix(':1.27')}@{DIGEST}"
    assert ("HEAD", "/v2/library/nginx/manifests/1.27") in registry.seen


def test_a_tag_that_the_registry_does_not_have_is_refused(aws, registry):
    with pytest.raises(
        PreflightFailed, match=r"nginx:9 is not in 127\.0\.0\.1:\d+; push it, or name a tag"
    ):
        pin_image(aws, f"{host(registry)}/nginx:9")


@pytest.mark.parametrize(
    ("repository", "reason"), [("closed/x", "requires credentials"), ("busy/x", "limits requests")]
)
def test_a_registry_that_does_not_let_everybody_read_leaves_the_tag(
    aws, registry, repository, reason
):
    image = f"{host(registry)}/{repository}:1"
    pinned = pin_image(aws, image)
    assert pinned.reference == image
    assert reason in pinned.note
    assert "is not pinned by digest" in pinned.note


def test_a_registry_that_does_not_answer_leaves_the_tag(aws):
    pinned = pin_image(aws, "127.0.0.1:9/nginx:1.27")
    assert pinned.reference == "127.0.0.1:9/nginx:1.27"
    assert "127.0.0.1:9 does not answer" in pinned.note


def test_a_repository_of_another_account_that_cannot_be_read_leaves_the_tag(aws):
    image = "999988887777.dkr.ecr.us-east-1.amazonaws.com/shared/nginx:1.27"
    pinned = pin_image(aws, image)
    assert pinned.reference == image
    assert "ECR of account 999988887777 in us-east-1 has no repository shared/nginx" in pinned.note


def test_an_image_that_is_no_reference_is_refused_by_its_field(aws):
    with pytest.raises(PreflightFailed, match=r"^image: 'Nginx:1': .* in lower case"):
        pin_image(aws, "Nginx:1")


def test_an_image_in_ecr_is_pinned_by_its_repository_name(aws, sandbox):
    ecr = sandbox.boto("ecr")
    found = ecr.describe_repositories(repositoryNames=["forum-monolith"])["repositories"][0]
    (image, *_) = ecr.describe_images(repositoryName="forum-monolith")["imageDetails"]
    uri, digest = found["repositoryUri"], image["imageDigest"]
    assert pin_image(aws, f"{uri}:{image['imageTags'][0]}").reference == f"{uri}@{digest}"
