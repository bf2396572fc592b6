"""
The OCI distribution API, version 2, as far as clients of ECR use it.

Source: OCI Distribution Specification 1.1; error codes and words as ECR's.
"""

import hashlib
import json
import re
import shutil
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from sandbox.api.connection import Connection, LoopbackServer
from sandbox.api.internal import ACCOUNT
from sandbox.ecr.blobs import Blobs, DigestMismatch, UploadUnknown, is_digest
from sandbox.ecr.credentials import Tokens
from sandbox.ecr.images import Images, Manifest, RepositoryMissing, TagTaken

__all__ = ["RegistryServer"]

_PATH: Final = re.compile(
    r"/v2/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)/"
    r"(?:(?P<manifest>manifests)/(?P<reference>[^/]+)|blobs/uploads/(?P<upload>[^/]*)|blobs/(?P<blob>[^/]+)"
    r"|tags/(?P<tags>list))"
)
_API_VERSION: Final = {"Docker-Distribution-Api-Version": "registry/2.0"}
_MANIFEST_LIMIT: Final = 4 << 20
"""Bytes. Source: ECR service quotas."""


class Refused(Exception):
    """Raised with what the client is told."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class RegistryServer(LoopbackServer):
    """Listens on a free port of 127.0.0.1."""

    tokens: Tokens

    def __init__(self, images: Images, blobs: Blobs) -> None:
        super().__init__(_Connection)
        self.images, self.blobs = images, blobs


class _Connection(Connection):
    server: RegistryServer

    def serve(self) -> None:
        try:
            self._authenticate()
            self._route()
        except Refused as refusal:
            self._refuse(refusal)
        except RepositoryMissing as error:
            self._refuse(Refused(404, "NAME_UNKNOWN", str(error)))
        except UploadUnknown as error:
            self._refuse(
                Refused(404, "BLOB_UPLOAD_UNKNOWN", f"upload {error} is not known; begin it again")
            )

    def _authenticate(self) -> None:
        match self.server.tokens.check(self.headers.get("Authorization", "")):
            case "expired":
                raise Refused(
                    403,
                    "DENIED",
                    "Your authorization token has expired. Reauthenticate and try again.",
                )
            case "unknown":
                raise Refused(401, "UNAUTHORIZED", "Not Authorized")

    def _route(self) -> None:
        url = urlsplit(self.path)
        if url.path in ("/v2", "/v2/"):
            self._answer(200, {"Content-Type": "application/json"}, b"{}")
            return
        found = _PATH.fullmatch(url.path)
        if found is None:
            raise Refused(404, "UNSUPPORTED", f"{url.path} is not part of this registry")
        repository = found["repository"]
        if found["upload"] is not None:
            self._serve_upload(repository, found["upload"], dict(parse_qsl(url.query)))
            return
        match self.command:
            case "GET" | "HEAD" if found["manifest"]:
                self._get_manifest(repository, found["reference"])
            case "PUT" if found["manifest"]:
                self._put_manifest(repository, found["reference"])
            case "GET" | "HEAD" if found["blob"]:
                self._get_blob(repository, found["blob"])
            case "GET" if found["tags"]:
                self._list_tags(repository)
            case _:
                raise Refused(
                    405, "UNSUPPORTED", f"{self.command} is not for {url.path}; ECR deletes images"
                )

    def _serve_upload(self, repository: str, upload: str, query: dict[str, str]) -> None:
        match self.command:
            case "POST" if not upload:
                self._begin_upload(repository, query)
            case "GET" if upload:
                self._answer_upload(204, repository, upload, self.server.blobs.size(upload))
            case "PATCH" if upload:
                self._append(repository, upload)
            case "PUT" if upload:
                self._finish_upload(repository, upload, query.get("digest", ""))
            case "DELETE" if upload:
                self.server.blobs.cancel(upload)
                self._answer(204)
            case _:
                raise Refused(405, "UNSUPPORTED", f"{self.command} is not for uploads")

    def _get_manifest(self, repository: str, reference: str) -> None:
        manifest = self.server.images.read(repository, reference)
        if manifest is None:
            raise Refused(404, "MANIFEST_UNKNOWN", "Requested image not found")
        headers = {"Content-Type": manifest.media_type, "Docker-Content-Digest": manifest.digest}
        self._answer(200, headers, manifest.text.encode())

    def _put_manifest(self, repository: str, reference: str) -> None:
        self.server.images.check_repository(repository)
        body = self._read_manifest()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        tag = None if reference.startswith("sha256:") else reference
        if tag is None and reference != digest:
            raise Refused(
                400, "DIGEST_INVALID", f"the manifest's digest is {digest}, not {reference}"
            )
        try:
            manifest = json.loads(body)
            media_type = self.headers.get("Content-Type") or manifest["mediaType"]
        except (ValueError, KeyError, TypeError):
            raise Refused(
                400, "MANIFEST_INVALID", "the manifest is not JSON, or has no media type"
            ) from None
        self._check_parts(repository, manifest)
        try:
            self.server.images.write(repository, tag, Manifest(body.decode(), media_type, digest))
        except TagTaken as error:
            raise Refused(400, "TAG_INVALID", str(error)) from None
        location = f"/v2/{repository}/manifests/{digest}"
        self._answer(201, {"Location": location, "Docker-Content-Digest": digest})

    def _check_parts(self, repository: str, manifest: dict[str, Any]) -> None:
        """What a manifest names must be there before it."""
        parts = [*manifest.get("layers", ()), *filter(None, [manifest.get("config")])]
        # Layers with URLs of their own are foreign ones, which nobody pushes.
        wanted = [part["digest"] for part in parts if not part.get("urls")]
        missing = [
            digest for digest in wanted if self.server.blobs.path(repository, digest) is None
        ]
        if missing:
            raise Refused(
                404,
                "MANIFEST_BLOB_UNKNOWN",
                f"Layers with digests '{missing}' required for pushing image into repository "
                "with name "
                f"'{repository}' in the registry with id '{ACCOUNT}' do not exist",
            )
        images = [image["digest"] for image in manifest.get("manifests", ())]
        missing = [
            digest for digest in images if self.server.images.read(repository, digest) is None
        ]
        if missing:
            raise Refused(
                404,
                "MANIFEST_UNKNOWN",
                f"Images with digests '{missing}' required for pushing image into repository "
                "with name "
                f"'{repository}' in the registry with id '{ACCOUNT}' do not exist",
            )

    def _get_blob(self, repository: str, digest: str) -> None:
        path = self.server.blobs.path(repository, digest)
        if path is None:
            self.server.images.check_repository(repository)
            raise Refused(404, "BLOB_UNKNOWN", f"{repository} has no blob {digest}")
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        self.begin_answer(200, _API_VERSION | headers, path.stat().st_size)
        if self.command == "GET":
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile)

    def _list_tags(self, repository: str) -> None:
        listed = {"name": repository, "tags": self.server.images.tags(repository)}
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(listed).encode())

    def _begin_upload(self, repository: str, query: dict[str, str]) -> None:
        self.server.images.check_repository(repository)
        mount, source = query.get("mount", ""), query.get("from", "")
        if mount and source and self.server.blobs.mount(repository, source, mount):
            self._answer_blob(repository, mount)
            return
        upload = self.server.blobs.begin()
        if "digest" in query:
            self._finish_upload(repository, upload, query["digest"])
            return
        self._answer_upload(202, repository, upload, self.server.blobs.append(upload, self.body()))

    def _append(self, repository: str, upload: str) -> None:
        there = self.server.blobs.size(upload)
        start = self.headers.get("Content-Range", f"{there}-").partition("-")[0]
        if start != str(there):
            self._answer_upload(416, repository, upload, there)
            return
        self._answer_upload(202, repository, upload, self.server.blobs.append(upload, self.body()))

    def _finish_upload(self, repository: str, upload: str, digest: str) -> None:
        if not is_digest(digest):
            raise Refused(
                400, "DIGEST_INVALID", f"digest: {digest!r} is not sha256:…; ECR has no other"
            )
        self.server.blobs.append(upload, self.body())
        try:
            self.server.blobs.finish(repository, upload, digest)
        except DigestMismatch as error:
            raise Refused(400, "DIGEST_INVALID", str(error)) from None
        self._answer_blob(repository, digest)

    def _answer_blob(self, repository: str, digest: str) -> None:
        location = f"/v2/{repository}/blobs/{digest}"
        self._answer(201, {"Location": location, "Docker-Content-Digest": digest})

    def _answer_upload(self, status: int, repository: str, upload: str, size: int) -> None:
        location = f"/v2/{repository}/blobs/uploads/{upload}"
        headers = {
            "Location": location,
            "Range": f"0-{max(0, size - 1)}",
            "Docker-Upload-UUID": upload,
        }
        self._answer(status, headers)

    def _refuse(self, refusal: Refused) -> None:
        error = {"code": refusal.code, "message": str(refusal)}
        headers = {"Content-Type": "application/json"}
        if refusal.status == 401:
            headers["WWW-Authenticate"] = (
                f'Basic realm="http://{self.server.host}/",service="ecr.amazonaws.com"'
            )
        self._answer(refusal.status, headers, json.dumps({"errors": [error]}).encode())

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.answer(status, _API_VERSION | (headers or {}), body)

    def _read_manifest(self) -> bytes:
        content = b""
        for piece in self.body():
            content += piece
            if len(content) > _MANIFEST_LIMIT:
                raise Refused(
                    413, "SIZE_INVALID", f"a manifest has at most {_MANIFEST_LIMIT} bytes"
                )
        return content
