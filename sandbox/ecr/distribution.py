"""
The OCI distribution API, version 2, as far as clients of ECR use it.

Source: OCI Distribution Specification 1.1; error codes and wording as ECR's.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response

from sandbox.api.internal import ACCOUNT
from sandbox.api.serving import read_pieces
from sandbox.ecr.blobs import Blobs, DigestMismatch, UploadUnknown, is_digest
from sandbox.ecr.credentials import Tokens
from sandbox.ecr.images import Images, Manifest, RepositoryMissing, TagTaken

__all__ = ["DistributionApi"]

_API_VERSION: Final = ("Docker-Distribution-Api-Version", "registry/2.0")
_MANIFEST_LIMIT: Final = 4 << 20
"""Bytes. Source: ECR service quotas."""


class Refused(Exception):
    """Raised to refuse a request; the client gets code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _RepositoryName(BaseConverter):
    regex = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    part_isolating = False


class DistributionApi:
    """
    Answers clients that push and pull.

    Args:
        host: `host:port` on which it is served.
        tokens: The tokens that are accepted.
        images: ECR's repositories and images.
        blobs: Their layers and configurations.
    """

    def __init__(self, host: str, tokens: Tokens, images: Images, blobs: Blobs) -> None:
        self._host, self._tokens = host, tokens
        self._images, self._blobs = images, blobs
        manifest = "/v2/<name:repository>/manifests/<reference>"
        blob = "/v2/<name:repository>/blobs/<digest>"
        uploads = "/v2/<name:repository>/blobs/uploads/"
        upload = f"{uploads}<upload>"
        self._routes = Map(
            [
                Rule("/v2/", endpoint=self._get_version, strict_slashes=False),
                Rule(manifest, endpoint=self._get_manifest, methods=["GET"]),
                Rule(manifest, endpoint=self._put_manifest, methods=["PUT"]),
                Rule(blob, endpoint=self._get_blob, methods=["GET"]),
                Rule(uploads, endpoint=self._begin_upload, methods=["POST"]),
                Rule(upload, endpoint=self._get_upload, methods=["GET"]),
                Rule(upload, endpoint=self._append, methods=["PATCH"]),
                Rule(upload, endpoint=self._put_upload, methods=["PUT"]),
                Rule(upload, endpoint=self._cancel_upload, methods=["DELETE"]),
                Rule("/v2/<name:repository>/tags/list", endpoint=self._list_tags, methods=["GET"]),
            ],
            converters={"name": _RepositoryName},
            merge_slashes=False,
        )

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        try:
            response = self._route(request)
        except Refused as refusal:
            response = self._refuse(refusal)
        except RepositoryMissing as error:
            response = self._refuse(Refused(404, "NAME_UNKNOWN", str(error)))
        except UploadUnknown as error:
            message = f"upload {error} does not exist; begin it again"
            response = self._refuse(Refused(404, "BLOB_UPLOAD_UNKNOWN", message))
        response.headers.add(*_API_VERSION)
        return response

    def _route(self, request: Request) -> Response:
        self._authenticate(request)
        try:
            answer, arguments = self._routes.bind_to_environ(request.environ).match()
        except NotFound:
            message = f"{request.path} is not part of this registry"
            raise Refused(404, "UNSUPPORTED", message) from None
        except MethodNotAllowed:
            message = f"{request.method} {request.path} is not supported; delete images with ECR"
            raise Refused(405, "UNSUPPORTED", message) from None
        response: Response = answer(request, **arguments)
        return response

    def _authenticate(self, request: Request) -> None:
        match self._tokens.check(request.headers.get("Authorization", "")):
            case "expired":
                message = "Your authorization token has expired. Reauthenticate and try again."
                raise Refused(403, "DENIED", message)
            case "unknown":
                raise Refused(401, "UNAUTHORIZED", "Not Authorized")

    def _get_version(self, _request: Request) -> Response:
        return _json({})

    def _get_manifest(self, _request: Request, repository: str, reference: str) -> Response:
        manifest = self._images.read(repository, reference)
        if manifest is None:
            raise Refused(404, "MANIFEST_UNKNOWN", "Requested image not found")
        headers = {"Docker-Content-Digest": manifest.digest}
        return Response(manifest.text, 200, headers, content_type=manifest.media_type)

    def _put_manifest(self, request: Request, repository: str, reference: str) -> Response:
        self._images.check_repository(repository)
        body = _read_manifest(request)
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        tag = None if reference.startswith("sha256:") else reference
        if tag is None and reference != digest:
            message = f"the manifest's digest is {digest}, not {reference}"
            raise Refused(400, "DIGEST_INVALID", message)
        parts, media_type = _parse_manifest(request, body)
        self._check_blobs(repository, parts)
        self._check_images(repository, parts)
        try:
            self._images.write(repository, tag, Manifest(body.decode(), media_type, digest))
        except TagTaken as error:
            raise Refused(400, "TAG_INVALID", str(error)) from None
        return _created(f"/v2/{repository}/manifests/{digest}", digest)

    def _check_blobs(self, repository: str, manifest: dict[str, Any]) -> None:
        """A manifest's layers and configuration have to be pushed before it."""
        parts = list(manifest.get("layers", ()))
        if "config" in manifest:
            parts.append(manifest["config"])
        # Layers with their own URLs are foreign ones, which clients do not push.
        pushed = [part["digest"] for part in parts if not part.get("urls")]
        missing = [digest for digest in pushed if self._blobs.path(repository, digest) is None]
        if missing:
            raise _missing("MANIFEST_BLOB_UNKNOWN", "Layers", missing, repository)

    def _check_images(self, repository: str, manifest: dict[str, Any]) -> None:
        """An index's images have to be pushed before it."""
        images = [image["digest"] for image in manifest.get("manifests", ())]
        missing = [digest for digest in images if self._images.read(repository, digest) is None]
        if missing:
            raise _missing("MANIFEST_UNKNOWN", "Images", missing, repository)

    def _get_blob(self, request: Request, repository: str, digest: str) -> Response:
        path = self._blobs.path(repository, digest)
        if path is None:
            self._images.check_repository(repository)
            raise Refused(404, "BLOB_UNKNOWN", f"{repository} has no blob {digest}")
        return _send_blob(request, path, digest)

    def _list_tags(self, _request: Request, repository: str) -> Response:
        return _json({"name": repository, "tags": self._images.tags(repository)})

    def _begin_upload(self, request: Request, repository: str) -> Response:
        self._images.check_repository(repository)
        mount, source = request.args.get("mount", ""), request.args.get("from", "")
        if mount and source and self._blobs.mount(repository, source, mount):
            return _created(f"/v2/{repository}/blobs/{mount}", mount)
        upload = self._blobs.begin()
        if "digest" in request.args:
            return self._put_upload(request, repository, upload)
        size = self._blobs.append(upload, read_pieces(request))
        return _upload_state(202, repository, upload, size)

    def _get_upload(self, _request: Request, repository: str, upload: str) -> Response:
        return _upload_state(204, repository, upload, self._blobs.size(upload))

    def _append(self, request: Request, repository: str, upload: str) -> Response:
        size = self._blobs.size(upload)
        start = request.headers.get("Content-Range", f"{size}-").partition("-")[0]
        if start != str(size):
            return _upload_state(416, repository, upload, size)
        size = self._blobs.append(upload, read_pieces(request))
        return _upload_state(202, repository, upload, size)

    def _put_upload(self, request: Request, repository: str, upload: str) -> Response:
        digest = request.args.get("digest", "")
        if not is_digest(digest):
            message = f"digest {digest!r} is not sha256:…, the only kind that ECR has"
            raise Refused(400, "DIGEST_INVALID", message)
        self._blobs.append(upload, read_pieces(request))
        try:
            self._blobs.finish(repository, upload, digest)
        except DigestMismatch as error:
            raise Refused(400, "DIGEST_INVALID", str(error)) from None
        return _created(f"/v2/{repository}/blobs/{digest}", digest)

    def _cancel_upload(self, _request: Request, repository: str, upload: str) -> Response:  # noqa: ARG002 - the route's
        self._blobs.cancel(upload)
        return Response(status=204)

    def _refuse(self, refusal: Refused) -> Response:
        error = {"code": refusal.code, "message": str(refusal)}
        response = _json({"errors": [error]}, refusal.status)
        if refusal.status == 401:
            realm = f'Basic realm="http://{self._host}/",service="ecr.amazonaws.com"'
            response.headers["WWW-Authenticate"] = realm
        return response


def _read_manifest(request: Request) -> bytes:
    content = b""
    for piece in read_pieces(request):
        content += piece
        if len(content) > _MANIFEST_LIMIT:
            message = f"a manifest has at most {_MANIFEST_LIMIT} bytes"
            raise Refused(413, "SIZE_INVALID", message)
    return content


def _parse_manifest(request: Request, body: bytes) -> tuple[dict[str, Any], str]:
    """The manifest and its media type."""
    try:
        manifest: dict[str, Any] = json.loads(body)
        media_type: str = request.headers.get("Content-Type") or manifest["mediaType"]
    except (ValueError, KeyError, TypeError):
        message = "the manifest is not JSON, or has no media type"
        raise Refused(400, "MANIFEST_INVALID", message) from None
    return manifest, media_type


def _missing(code: str, what: str, digests: list[str], repository: str) -> Refused:
    return Refused(
        404,
        code,
        f"{what} with digests '{digests}' required for pushing image into repository with name "
        f"'{repository}' in the registry with id '{ACCOUNT}' do not exist",
    )


def _send_blob(request: Request, path: Path, digest: str) -> Response:
    response = send_file(path, request.environ, mimetype="application/octet-stream", etag=digest)
    response.headers["Docker-Content-Digest"] = digest
    return response


def _created(location: str, digest: str) -> Response:
    return Response(status=201, headers={"Location": location, "Docker-Content-Digest": digest})


def _upload_state(status: int, repository: str, upload: str, size: int) -> Response:
    """Where an upload continues, and how many bytes it has."""
    headers = {
        "Location": f"/v2/{repository}/blobs/uploads/{upload}",
        "Range": f"0-{max(0, size - 1)}",
        "Docker-Upload-UUID": upload,
    }
    return Response(status=status, headers=headers)


def _json(answer: Any, status: int = 200) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")
