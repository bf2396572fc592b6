"""The arguments of a redeploy, and the sample that a rehearsal of it changes."""

import argparse
import shutil
from pathlib import Path

from config.service import Build, ServiceConfig
from config.split import SplitConfig
from config.traffic import AllAtOnce
from flows.cli.arguments import add_only, add_plan, add_rehearsal, command_parser, each_once
from flows.plan.options import RedeployOptions

__all__ = ["change_source", "own_copy", "redeploy_options", "redeploy_parser"]


def redeploy_parser() -> argparse.ArgumentParser:
    """Its parser."""
    parser = command_parser(
        "redeploy",
        "Build and roll out what has changed in services that have been split off already. "
        "Without CONFIG: rehearse that on an embedded AWS with a sample application, which is "
        "split first.",
        config_required=False,
    )
    add_plan(parser)
    add_only(parser, "redeploy only this service; repeatable")
    add_rehearsal(parser)
    return parser


def redeploy_options(arguments: argparse.Namespace) -> RedeployOptions:
    """The options of the flow."""
    return RedeployOptions(
        only=each_once(arguments.only),
        plan_only=arguments.plan,
    )


def own_copy(config: SplitConfig, folder: Path) -> SplitConfig:
    """
    The sample with sources of its own, which may be changed, and a shift in one step.

    Args:
        config: The sample's.
        folder: For the sources.
    """
    services = [_with_own_build(service, folder) for service in config.services]
    shift = AllAtOnce(bake=1)
    traffic = config.traffic.model_copy(update={"shift": shift})
    return config.model_copy(
        update={
            "services": tuple(services),
            "traffic": traffic,
        }
    )


def _with_own_build(service: ServiceConfig, folder: Path) -> ServiceConfig:
    if service.build is None:
        return service
    build = _copy_build(service.build, folder / service.name)
    return service.model_copy(update={"build": build})


def _copy_build(build: Build, folder: Path) -> Build:
    context = shutil.copytree(build.context, folder)
    return build.model_copy(update={"context": context})


def change_source(service: ServiceConfig) -> None:
    """Change the source of a service of the sample, as a developer would."""
    if service.build is None:
        return

    path = service.build.context / "app.py"
    with path.open("a", encoding="utf-8") as source:
        source.write("\n# Changed for the rehearsal.\n")
