"""What makes moto and botocore start and answer faster."""

import os
from typing import Any

import botocore.loaders

from sandbox.api.moto_patches import MotoPatches

__all__ = ["patch_moto", "prepare_import"]


def prepare_import() -> None:
    """Save half a second of the start; call it before moto is imported."""
    _share_loader()
    # A sandbox has no EC2 instances, so it needs no images and no offers of instance types.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    _skip_instance_type_offerings()


def _skip_instance_type_offerings() -> None:
    from moto.utilities import utils  # noqa: PLC0415 - imports none of moto's services

    load_resource = utils.load_resource

    def load(resource: str) -> Any:
        return [] if "instance_type_offerings" in resource else load_resource(resource)

    utils.load_resource = load


def _share_loader() -> None:
    """
    Let all botocore sessions share a loader, and all loaders the names of the services.

    moto makes many sessions, each with a loader and a cache of its own; and a loader searches all
    folders again for each kind of file.
    """
    loader = botocore.loaders.create_loader()
    services = loader.list_available_services("service-2")

    def list_available_services(*_: Any, **__: Any) -> list[str]:
        """Whatever the kind of file is: each is there for the same services."""
        return services

    botocore.loaders.create_loader = lambda *_, **__: loader
    botocore.loaders.Loader.list_available_services = list_available_services  # type: ignore[method-assign]


def patch_moto(patches: MotoPatches) -> None:
    """Read the names of moto's services once, where moto searches its folders for every call."""
    from moto import backends  # noqa: PLC0415 - after `prepare_import`

    names = list(backends.list_of_moto_modules())
    patches.set(backends, "list_of_moto_modules", lambda: names)
