"""The registry behind ECR: its server, and the ECR calls that it answers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.ecr.models import Repository

from sandbox.api.call import Call
from sandbox.api.moto_patches import MotoPatches
from sandbox.api.serving import LoopbackServer
from sandbox.ecr.blobs import Blobs
from sandbox.ecr.credentials import USERNAME, Tokens
from sandbox.ecr.distribution import DistributionApi
from sandbox.ecr.images import Images
from sandbox.ecr.put_image import put_image
from sandbox.engine.base import RegistryLogin

__all__ = ["Registry"]


class Registry:
    """
    Serves every ECR repository on one port of 127.0.0.1.

    Args:
        endpoint_url: The AWS API, whose ECR has the repositories and images.
        root: Folder for the blobs; deleted on close.
    """

    def __init__(self, endpoint_url: str, root: Path) -> None:
        self._blobs = Blobs(root)
        self._tokens = Tokens()
        self._images = Images(endpoint_url)
        self._server = LoopbackServer("registry")
        self.host = self._server.host

    @property
    def login(self) -> RegistryLogin:
        """How the sandbox's own engine pulls."""
        return RegistryLogin(self.host, USERNAME, self._tokens.pull_password)

    def patch_moto(self, patches: MotoPatches) -> None:
        """Make repository URIs name this registry; moto's name amazonaws.com."""

        def uri(repository: Repository) -> str:
            return f"{self.host}/{repository.name}"

        # With a setter, because moto's constructor assigns to it.
        patches.set(Repository, "uri", property(uri, lambda *_: None))

    def handle(self, call: Call) -> dict[str, Any] | None:
        """Answer the ECR calls for which moto's answers are of no use to a client."""
        match call.action:
            case "GetAuthorizationToken":
                return self._authorize()
            case "PutImage":
                return put_image(call.parameters)
        return None

    def after(self, call: Call) -> None:
        """Drop the blobs of a deleted repository."""
        if (call.service, call.action) == ("ecr", "DeleteRepository"):
            self._blobs.forget(call.parameters["repositoryName"])

    def start(self) -> None:
        """Begin to serve."""
        api = DistributionApi(self.host, self._tokens, self._images, self._blobs)
        self._server.start(api.answer)

    def close(self) -> None:
        """Stop serving and delete every blob. Safe to repeat."""
        self._server.close()
        self._blobs.close()

    def _authorize(self) -> dict[str, Any]:
        token, expires = self._tokens.issue()
        granted = {
            "authorizationToken": token,
            "expiresAt": datetime.fromtimestamp(expires, UTC),
            "proxyEndpoint": f"http://{self.host}",
        }
        return {"authorizationData": [granted]}
