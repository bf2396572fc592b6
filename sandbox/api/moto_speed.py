"""What makes moto and botocore start and answer faster."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import botocore.loaders

from sandbox.api.moto_patches import MotoPatches

__all__ = ["patch_moto", "prepare_import"]


def prepare_import(patches: MotoPatches) -> None:
    """Shorten the start; call it before moto is imported."""
    _share_loader(patches)
    # A sandbox has no EC2 instances, so it needs no images and no offers of instance types.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    _skip_instance_type_offerings(patches)


def _skip_instance_type_offerings(patches: MotoPatches) -> None:
    from moto.utilities import utils  # noqa: PLC0415 - imports none of moto's services

    load_resource = utils.load_resource

    def load(resource: str) -> Any:
        return [] if "instance_type_offerings" in resource else load_resource(resource)

    patches.set(utils, "load_resource", load)


def _share_loader(patches: MotoPatches) -> None:
    """
    Let all botocore sessions share a loader, and all loaders the names of the services.

    moto makes many sessions, each with a loader and a cache of its own; and a loader searches all
    folders again for each kind of file.
    """
    loader = botocore.loaders.create_loader()
    services = loader.list_available_services("service-2")

    def create_loader(search_path_string: str | None = None) -> Any:  # noqa: ARG001
        return loader

    def list_available_services(_: Any, type_name: str) -> Any:  # noqa: ARG001
        return services

    patches.set(botocore.loaders, "create_loader", create_loader)
    patches.set(botocore.loaders.Loader, "list_available_services", list_available_services)


def patch_moto(patches: MotoPatches) -> None:
    """Remember what moto works out again for every call, and for every field of every answer."""
    from moto import backends  # noqa: PLC0415 - after `prepare_import`
    from moto.core.serialize import XFormedAttributePicker  # noqa: PLC0415

    names = list(backends.list_of_moto_modules())
    patches.set(backends, "list_of_moto_modules", lambda: names)
    known: dict[_Field, tuple[str, ...]] = {}
    patches.replace(XFormedAttributePicker, "get_possible_keys", partial(_possible_keys, known))


_Field = tuple[type, str, Any]
"""Class of a moto object, field of AWS's model, and the field's shape in the model."""


def _possible_keys(
    known: dict[_Field, tuple[str, ...]], moto: Callable[..., Any], picker: Any, context: Any
) -> tuple[str, ...]:
    """The attributes of a moto object in which the value of a field may be found."""
    field = type(context.obj), context.key, context.shape
    keys = known.get(field)
    if keys is None:
        keys = known[field] = tuple(dict.fromkeys(moto(picker, context)))
    return keys
