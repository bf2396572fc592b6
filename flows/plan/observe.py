"""What a plan is based on, read once: the images that are wanted, and what AWS holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from config.aws import AwsConfig
from config.errors import BuildFailed, PreflightFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from tasks.aws.call import call
from tasks.discovery import Discovered
from tasks.ecr.context.wanted import wanted_tag
from tasks.ecr.pin import PinnedImage, parse_image, pin_image
from tasks.ecs.task_definition import read_task_definition
from tasks.elbv2.default_action import taken_over_rules
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.tags import read_tags
from tasks.preflight.finding import refuse
from tasks.preflight.images import check_build_files
from tasks.preflight.sizes import check_sizes
from tasks.state.service import ServiceState, read_service_state

__all__ = [
    "Observation",
    "ServiceObservation",
    "Services",
    "by_place",
    "check_contexts",
    "gather_by_name",
    "observe",
    "read_image",
]

T = TypeVar("T")

Services: TypeAlias = Mapping[str, ServiceConfig]
"""By place in the config, e.g. `services[0]`."""

ReadState = Callable[[AwsConfig, str, str, ServiceConfig, str | None], Awaitable[ServiceState]]
"""As `tasks.state.service.read_service_state`."""


@dataclass(frozen=True)
class ServiceObservation:
    """The image that a service is to run, and what AWS holds of the service."""

    image: str
    """Content tag of the image to build; of a ready image its reference, pinned by digest."""
    state: ServiceState
    note: str | None = None
    """What a person has to know of the image, e.g. why it is not pinned."""


@dataclass(frozen=True)
class Observation:
    """What a plan is based on."""

    account_id: str
    at: float
    """Seconds since the epoch."""
    services: Mapping[str, ServiceObservation]
    """By name; those that the run works on."""
    taken_over: tuple[Rule, ...] = ()
    """Rules that forwarded to the monolith before it was drained."""

    @property
    def images(self) -> dict[str, str]:
        """The image that each service is to run."""
        return {name: service.image for name, service in self.services.items()}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules of the listener."""
        first = next(iter(self.services.values()))
        return first.state.rules


async def observe(
    config: SplitConfig,
    discovered: Discovered,
    services: Iterable[ServiceConfig],
    *,
    images: Mapping[str, str] | None = None,
    read_state: ReadState = read_service_state,
) -> Observation:
    """
    Hash the build contexts, and read what AWS holds of the services.

    Args:
        config: The split.
        discovered: The monolith and its environment.
        services: Those that the run works on.
        images: Of an earlier observation, by service name: they are not worked out again, so that
            the whole run is about the images that were planned.
        read_state: How AWS is read.

    Raises:
        PreflightFailed: A build context cannot be read, or a ready image does not exist.
    """
    chosen = list(services)
    wanted = await _wanted_images(config, chosen, images or {})
    reads = {
        service.name: read_state(
            config.aws,
            discovered.cluster_arn,
            discovered.listener_arn,
            service,
            wanted[service.name].reference if service.build else None,
        )
        for service in chosen
    }
    states = await gather_by_name(reads)
    rules = next(iter(states.values())).rules
    listener_tags = await call(read_tags, config.aws, [discovered.listener_arn])
    return Observation(
        account_id=discovered.account_id,
        at=time.time(),
        services={
            name: ServiceObservation(wanted[name].reference, state, wanted[name].note)
            for name, state in states.items()
        },
        taken_over=tuple(
            taken_over_rules(rules, listener_tags[discovered.listener_arn], config.name)
        ),
    )


async def _wanted_images(
    config: SplitConfig, services: Sequence[ServiceConfig], known: Mapping[str, str]
) -> dict[str, PinnedImage]:
    unknown = [service.name for service in services if service.name not in known]
    places = by_place(config, unknown)
    reads = [_wanted_image(config, service) for service in places.values()]
    results = await asyncio.gather(*reads, return_exceptions=True)
    images = {name: PinnedImage(image) for name, image in known.items()}
    findings = []
    for (place, service), result in zip(places.items(), results, strict=True):
        if isinstance(result, PreflightFailed):
            findings.append(f"{place}.{result}")
        elif isinstance(result, BaseException):
            raise result
        else:
            images[service.name] = result
    refuse(findings)
    return images


async def _wanted_image(config: SplitConfig, service: ServiceConfig) -> PinnedImage:
    if service.build is None:
        return await call(pin_image, config.aws, str(service.image))
    try:
        return await call(wanted_tag, config.aws, config.docker_host, service)
    except BuildFailed as error:
        raise PreflightFailed(f"build.context: {error}") from None


async def check_contexts(config: SplitConfig) -> list[str]:
    """A finding for each missing build context or Dockerfile, bad image, and excess of a limit."""
    findings: list[str] = []
    for place, service in by_place(config).items():
        findings += _reference_faults(place, service)
        findings += check_sizes(config, place, service, owner_of(config, service))
        lines = await asyncio.to_thread(check_build_files, service)
        findings += [f"{place}.{line}" for line in lines]
    return findings


def _reference_faults(place: str, service: ServiceConfig) -> list[str]:
    """A finding for a ready image that is no image reference."""
    try:
        if service.image:
            parse_image(service.image)
    except PreflightFailed as error:
        return [f"{place}.{error}"]
    return []


def by_place(config: SplitConfig, names: Iterable[str] | None = None) -> Services:
    """
    Services by their place in the config.

    Args:
        config: The split.
        names: Of the services; all when None.
    """
    wanted = None if names is None else set(names)
    places = {}
    for index, service in enumerate(config.services):
        if wanted is None or service.name in wanted:
            places[f"services[{index}]"] = service
    return places


async def gather_by_name(reads: Mapping[str, Awaitable[T]]) -> dict[str, T]:
    """The results of reads that run side by side."""
    results = await asyncio.gather(*reads.values())
    return dict(zip(reads, results, strict=True))


async def read_image(aws: AwsConfig, revision: str) -> str | None:
    """
    The image that a revision runs.

    Args:
        aws: Where AWS is.
        revision: ARN of the task definition.
    """
    definition = await call(read_task_definition, aws, revision)
    if definition is None:
        return None
    container = definition["containerDefinitions"][0]
    return str(container["image"])
