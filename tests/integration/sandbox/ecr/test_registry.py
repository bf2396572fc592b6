"""The registry behind ECR, as raw HTTP clients and boto3 see it."""

import base64
import hashlib
import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.ecr.registry import Registry
from tests.integration.sandbox.strictness import served_aws

IMMUTABLE = (
    "The image tag '{tag}' already exists in the '{repository}' repository and cannot be "
    "overwritten because the "
    "repository is immutable."
)
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Served:
    ecr: Any
    registry: Registry

    def token(self):
        granted = self.ecr.get_authorization_token()["authorizationData"]
        return granted[0]["authorizationToken"]

    def call(self, method, path, body=None, token=None, **headers):
        """Status, headers, body of a request with a fresh token."""
        if token is None:
            token = self.token()
        request = urllib.request.Request(
            f"http://{self.registry.host}{path}", data=body, method=method
        )
        for name, value in ({"Authorization": f"Basic {token}"} if token else {}).items():
            request.add_header(name, value)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def upload(self, repository, content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        status, _, body = self.call(
            "POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content
        )
        assert status == 201, body
        return digest

    def push(self, repository, reference, layer=b"layer"):
        config = b'{"architecture":"amd64","os":"linux"}'
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"digest": self.upload(repository, config), "size": len(config)},
            "layers": [{"digest": self.upload(repository, layer), "size": len(layer)}],
        }
        body = json.dumps(manifest).encode()
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self.call("PUT", path, body, Content_Type=OCI_MANIFEST)
        return answer, "sha256:" + hashlib.sha256(body).hexdigest()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    parts = []

    def registry(url):
        parts.append(Registry(url, tmp_path_factory.mktemp("run") / "registry"))
        return parts

    with served_aws(registry) as aws:
        yield Served(aws.client("ecr"), *parts)


@pytest.fixture
def served(sandbox):
    yield sandbox
    for repository in sandbox.ecr.describe_repositories()["repositories"]:
        sandbox.ecr.delete_repository(repositoryName=repository["repositoryName"], force=True)


@pytest.fixture
def users(served):
    served.ecr.create_repository(repositoryName="users", imageTagMutability="IMMUTABLE")
    return served


def error_of(answer):
    status, _, body = answer
    (error,) = json.loads(body)["errors"]
    return status, error["code"], error["message"]


def test_a_repository_uri_names_the_registry(served):
    made = served.ecr.create_repository(repositoryName="users")["repository"]
    read = served.ecr.describe_repositories()["repositories"][0]
    assert made["repositoryUri"] == read["repositoryUri"] == f"{served.registry.host}/users"


def test_an_authorization_token_is_good_for_twelve_hours(served):
    granted = served.ecr.get_authorization_token()["authorizationData"][0]
    left = granted["expiresAt"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)


def test_two_authorization_tokens_differ(served):
    first, second = (served.ecr.get_authorization_token()["authorizationData"][0] for _ in range(2))
    assert first["authorizationToken"] != second["authorizationToken"]


def test_without_a_token_the_answer_is_401_with_a_challenge(served):
    status, headers, _ = served.call("GET", "/v2/", token="")
    assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Basic")


def test_a_made_up_token_is_refused(served):
    assert served.call("GET", "/v2/", token=base64.b64encode(b"AWS:guess").decode())[0] == 401


def test_an_expired_token_is_refused_with_ecrs_message(served, monkeypatch):
    monkeypatch.setattr("sandbox.ecr.credentials.LIFETIME", -1.0)
    assert error_of(served.call("GET", "/v2/users/tags/list"))[2].startswith(
        "Your authorization token has expired"
    )


def test_a_push_to_a_repository_that_ecr_does_not_have_is_refused(served):
    assert error_of(served.call("POST", "/v2/nothing/blobs/uploads/")) == (
        404,
        "NAME_UNKNOWN",
        "The repository with name 'nothing' does not exist in the registry with id '123456789012'",
    )


def test_a_pushed_image_is_in_ecr_under_its_digest(users):
    _, digest = users.push("users", "v1")
    (image,) = users.ecr.describe_images(repositoryName="users")["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (digest, ["v1"])


def test_an_images_size_is_that_of_its_parts(users):
    users.push("users", "v1", layer=b"x" * 1000)
    (image,) = users.ecr.describe_images(repositoryName="users")["imageDetails"]
    assert image["imageSizeInBytes"] == 1000 + len(b'{"architecture":"amd64","os":"linux"}')


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_is_read_back_byte_for_byte(users, by):
    _, digest = users.push("users", "v1")
    _, headers, body = users.call("GET", f"/v2/users/manifests/{'v1' if by == 'tag' else digest}")
    assert ("sha256:" + hashlib.sha256(body).hexdigest(), headers["Content-Type"]) == (
        digest,
        OCI_MANIFEST,
    )


def test_a_deleted_image_cannot_be_pulled(users):
    _, digest = users.push("users", "v1")
    users.ecr.batch_delete_image(repositoryName="users", imageIds=[{"imageDigest": digest}])
    assert error_of(users.call("GET", "/v2/users/manifests/v1"))[:2] == (404, "MANIFEST_UNKNOWN")


def test_an_immutable_tag_cannot_be_moved(users):
    users.push("users", "v1")
    answer, _ = users.push("users", "v1", layer=b"other")
    assert error_of(answer) == (
        400,
        "TAG_INVALID",
        IMMUTABLE.format(tag="v1", repository="users"),
    )


def test_the_same_image_may_be_pushed_again(users):
    users.push("users", "v1")
    assert users.push("users", "v1")[0][0] == 201


def test_putting_another_image_under_an_immutable_tag_has_awss_error_code(users):
    users.push("users", "v1")
    with pytest.raises(ClientError, match="ImageTagAlreadyExistsException"):
        users.ecr.put_image(
            repositoryName="users", imageManifest='{"mediaType":"x"}', imageTag="v1"
        )


def test_an_image_that_loses_its_tag_can_still_be_pulled_by_digest(served):
    served.ecr.create_repository(repositoryName="posts")
    _, digest = served.push("posts", "latest")
    served.push("posts", "latest", layer=b"newer")
    assert served.call("GET", f"/v2/posts/manifests/{digest}")[0] == 200


def test_a_manifest_whose_layers_are_missing_is_refused(users):
    manifest = {"config": {"digest": "sha256:" + "0" * 64}, "layers": []}
    answer = users.call(
        "PUT", "/v2/users/manifests/v1", json.dumps(manifest).encode(), Content_Type=OCI_MANIFEST
    )
    assert error_of(answer)[1] == "MANIFEST_BLOB_UNKNOWN"


def test_a_manifest_under_another_digest_is_refused(users):
    answer = users.call(
        "PUT", f"/v2/users/manifests/sha256:{'0' * 64}", b"{}", Content_Type=OCI_MANIFEST
    )
    assert error_of(answer)[1] == "DIGEST_INVALID"


def test_a_blob_under_another_digest_is_refused(users):
    answer = users.call("POST", f"/v2/users/blobs/uploads/?digest=sha256:{'0' * 64}", b"content")
    assert error_of(answer)[1] == "DIGEST_INVALID"


def test_a_blob_may_be_uploaded_in_parts(users):
    location = users.call("POST", "/v2/users/blobs/uploads/")[1]["Location"]
    users.call("PATCH", location, b"first ", Content_Range="0-5")
    users.call("PATCH", location, b"second", Content_Range="6-11")
    digest = "sha256:" + hashlib.sha256(b"first second").hexdigest()
    users.call("PUT", f"{location}?digest={digest}")
    assert users.call("GET", f"/v2/users/blobs/{digest}")[2] == b"first second"


def test_a_part_that_does_not_follow_the_last_is_refused(users):
    location = users.call("POST", "/v2/users/blobs/uploads/")[1]["Location"]
    assert users.call("PATCH", location, b"part", Content_Range="7-10")[0] == 416


def test_an_upload_in_chunks_is_read_to_its_end(users):
    location = users.call("POST", "/v2/users/blobs/uploads/")[1]["Location"]
    users.call("PATCH", location, iter([b"a" * 70_000, b"b" * 70_000]))
    assert users.call("GET", location)[1]["Range"] == "0-139999"


HALF_UPLOADS = {
    "of a known length": b"Content-Length: 100\r\n\r\nhalf",
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
}


@pytest.mark.parametrize("rest", HALF_UPLOADS.values(), ids=HALF_UPLOADS)
def test_a_client_that_hangs_up_during_an_upload_is_no_fault_of_the_registry(users, rest, capfd):
    location = users.call("POST", "/v2/users/blobs/uploads/")[1]["Location"]
    host, _, port = users.registry.host.partition(":")
    login = f"Authorization: Basic {users.token()}\r\n".encode()
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\n".encode() + login + rest)
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.makefile("rb").readline()
    assert users.call("GET", location)[0] == 204
    assert capfd.readouterr().err == ""


def test_a_part_of_a_blob_can_be_read(users):
    digest = users.upload("users", b"0123456789")
    status, _, body = users.call("GET", f"/v2/users/blobs/{digest}", Range="bytes=2-4")
    assert (status, body) == (206, b"234")


def test_a_blob_of_another_repository_is_mounted(users):
    users.ecr.create_repository(repositoryName="posts")
    digest = users.upload("users", b"shared")
    users.call("POST", f"/v2/posts/blobs/uploads/?mount={digest}&from=users")
    assert users.call("HEAD", f"/v2/posts/blobs/{digest}")[0] == 200


def test_a_repository_does_not_show_another_ones_blob(users):
    users.ecr.create_repository(repositoryName="posts")
    digest = users.upload("users", b"private")
    assert users.call("HEAD", f"/v2/posts/blobs/{digest}")[0] == 404


def test_a_new_repository_of_a_deleted_ones_name_is_empty(users):
    digest = users.upload("users", b"old")
    users.ecr.delete_repository(repositoryName="users")
    users.ecr.create_repository(repositoryName="users")
    assert users.call("HEAD", f"/v2/users/blobs/{digest}")[0] == 404


def test_the_tags_of_a_repository_are_listed(users):
    users.push("users", "v2", layer=b"2")
    users.push("users", "v1", layer=b"1")
    assert json.loads(users.call("GET", "/v2/users/tags/list")[2]) == {
        "name": "users",
        "tags": ["v1", "v2"],
    }


def test_an_index_is_read_back_with_its_media_type(users):
    _, digest = users.push("users", "v1")
    media_type = "application/vnd.oci.image.index.v1+json"
    index = {
        "schemaVersion": 2,
        "manifests": [{"digest": digest, "mediaType": OCI_MANIFEST, "size": 1}],
    }
    users.call(
        "PUT", "/v2/users/manifests/all", json.dumps(index).encode(), Content_Type=media_type
    )
    assert users.call("GET", "/v2/users/manifests/all")[1]["Content-Type"] == media_type


def test_a_request_after_a_refused_upload_is_read_from_its_beginning(users):
    users.call("PUT", "/v2/users/blobs/uploads/unknown?digest=x", b"GET / HTTP/1.1\r\n\r\n")
    assert users.call("GET", "/v2/")[0] == 200
