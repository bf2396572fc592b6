"""The registry as the sandbox sees it: an HTTP server, and the ECR calls that belong to it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.api.call import Call
from sandbox.ecr.blobs import Blobs
from sandbox.ecr.credentials import Tokens
from sandbox.ecr.http import RegistryServer
from sandbox.ecr.images import Images, own_uris, put_image

__all__ = ["Registry"]


class Registry:
    """
    Serves every ECR repository on one port of 127.0.0.1.

    Args:
        endpoint_url: The AWS API, whose ECR knows which repositories and images there are.
        root: Folder for the blobs; deleted on close.
    """

    def __init__(self, endpoint_url: str, root: Path) -> None:
        self._blobs = Blobs(root)
        self._server = RegistryServer(Images(endpoint_url), self._blobs)
        self.host = self._server.host
        self._tokens = self._server.tokens = Tokens(self.host)
        own_uris(self.host)

    def handle(self, call: Call) -> dict[str, Any] | None:
        """Answer the ECR calls that moto answers with things that no client can use."""
        match call.action:
            case "GetAuthorizationToken":
                return self._authorize()
            case "PutImage":
                return put_image(call.parameters)
        return None

    def after(self, call: Call) -> None:
        """Drop what a deleted repository had."""
        if (call.service, call.action) == ("ecr", "DeleteRepository"):
            self._blobs.forget(call.parameters["repositoryName"])

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def close(self) -> None:
        """Stop answering and delete every blob. Safe to repeat."""
        self._server.close()
        self._tokens.close()
        self._blobs.close()

    def _authorize(self) -> dict[str, Any]:
        token, expires = self._tokens.issue()
        granted = {
            "authorizationToken": token,
            "expiresAt": datetime.fromtimestamp(expires, UTC),
            "proxyEndpoint": f"http://{self.host}",
        }
        return {"authorizationData": [granted]}
