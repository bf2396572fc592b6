"""The whole config: one monolith, one listener, the services to split off."""

import math
from collections.abc import Iterator
from itertools import combinations, product
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator

from config.aws import AwsConfig
from config.base import ConfigModel
from config.monolith import ForwardTo, MonolithConfig
from config.path_pattern import overlaps
from config.service import ServiceConfig
from config.traffic import OwnRequests, Traffic

__all__ = ["ListenerConfig", "NetworkConfig", "SplitConfig"]

_Subnet = Annotated[
    str, Field(pattern=r"^subnet-[0-9a-f]+$", examples=["subnet-0a1b2c3d4e5f60718"])
]
_SecurityGroup = Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$", examples=["sg-0a1b2c3d4e5f60718"])]
_RoleArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$",
        examples=["arn:aws:iam::123456789012:role/ecsTaskExecutionRole"],
    ),
]


_LONGEST_DELAY: Final = 3600
"""Seconds; ELBv2's limit."""


class ListenerConfig(ConfigModel):
    """The listener that routes the paths; by default that of the monolith's target group."""

    load_balancer: str | None = None
    """Name or ARN of the Application Load Balancer."""
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    """Port of the listener; needed when the load balancer has several."""
    url: (
        Annotated[str, Field(pattern=r"^https?://[^/]+$", examples=["https://forum.example.com"])]
        | None
    ) = None
    """URL at which clients reach the listener, e.g. with the host name of its certificate."""
    direct: bool = False
    """
    Connect the tool's own requests to the load balancer's DNS name, with the host name of `url` in
    them: past a CDN or a proxy before it, which may drop their headers or answer from a cache.
    """
    backend_header: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", examples=["X-Served-By"])] | None
    ) = None
    """
    Response header with which every backend identifies itself, e.g. `X-Served-By`: it proves where
    a request went.
    """
    rule_timeout: Annotated[StrictFloat, Field(ge=1, le=600)] = 60
    """Seconds that a changed rule may take to reach every node of the load balancer."""


class NetworkConfig(ConfigModel):
    """The network of the services' tasks; by default the monolith's."""

    subnets: Annotated[tuple[_Subnet, ...], Field(min_length=1)] | None = None
    """Subnets, in at least two availability zones."""
    security_groups: Annotated[tuple[_SecurityGroup, ...], Field(min_length=1)] | None = None
    """Security groups that let the load balancer reach the services' ports."""
    assign_public_ip: Literal["ENABLED", "DISABLED"] | None = None
    """Whether tasks get a public address."""


class SplitConfig(ConfigModel):
    """Everything one split needs; what can be discovered from the running monolith is optional."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$", examples=["forum-split"])]
    """Name of this split; the resources that it creates are tagged with it."""
    aws: AwsConfig
    """Where AWS is."""
    cluster: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$", examples=["production"])
    ]
    """ECS cluster of the monolith and of the services."""
    monolith: MonolithConfig
    """The ECS service to split."""
    services: tuple[ServiceConfig, ...] = Field(min_length=1)
    """The services to split off."""
    listener: ListenerConfig = ListenerConfig()
    """The listener that routes the paths."""
    network: NetworkConfig = NetworkConfig()
    """Subnets and security groups of the services."""
    execution_role_arn: _RoleArn | None = None
    """Role with which ECS pulls images and writes logs; by default the monolith's."""
    docker_host: (
        Annotated[
            str,
            Field(pattern=r"^(unix|tcp|ssh|npipe)://", examples=["unix:///var/run/docker.sock"]),
        ]
        | None
    ) = None
    """Docker engine that builds and pushes; by default `DOCKER_HOST` or the local socket."""
    traffic: Traffic = Traffic()
    """Traffic steps and gates of the services without their own."""
    own_requests: OwnRequests = OwnRequests()
    """How many requests the tool sends itself: the monolith has to bear them beside its users'."""
    stable_timeout: Annotated[StrictFloat, Field(ge=10, le=7200)] = 900
    """Seconds a service may take to become stable and healthy."""
    max_parallel: Annotated[StrictInt, Field(ge=1, le=32)] = 4
    """Services that are worked on in parallel."""
    fan_out: Literal["in_process", "work_pool"] = "in_process"
    """Whether services run as subflows of this process, or as deployment runs on a work pool."""
    keep_images: Annotated[StrictInt, Field(ge=1, le=1000)] = 5
    """Old images and task definition revisions that `flows.redeploy` keeps, beside those in use."""

    @model_validator(mode="before")
    @classmethod
    def _let_delays_follow(cls, values: Any) -> Any:
        """With its paths, a service takes over the monolith's long connections."""
        longest = _longest_connection(values)
        if longest is None:
            return values
        services = [_with_delay(service, longest) for service in values.get("services", ())]
        return {**values, "services": services}

    def faults(self) -> Iterator[str]:
        """Names and paths that are used twice, and a default action for an unknown service."""
        yield from self._names_taken_twice()
        yield from self._patterns_claimed_twice()
        yield from self._requests_without_paths()
        yield from self._unknown_default_service()

    def _unknown_default_service(self) -> Iterator[str]:
        """A default action that forwards to a service which the config does not have."""
        action = self.monolith.default_action
        if not isinstance(action, ForwardTo):
            return
        names = [service.name for service in self.services]
        if action.service not in names:
            yield (
                f"monolith.default_action.service: {action.service!r} is not a service of this "
                f"config; choose one of {', '.join(names)}"
            )

    def _names_taken_twice(self) -> Iterator[str]:
        """Names of services that another service or the monolith has."""
        seen = {self.monolith.service: "monolith.service"}
        for index, service in enumerate(self.services):
            name = service.name
            here = f"services[{index}].name"
            first = seen.setdefault(name, here)
            if first != here:
                yield f"{here}: {name!r} is taken by {first}; choose another"

    def _patterns_claimed_twice(self) -> Iterator[str]:
        """Patterns that another service has."""
        seen: dict[str, str] = {}
        for index, service in enumerate(self.services):
            owner = f"services[{index}] ({service.name})"
            for position, pattern in enumerate(service.path_patterns):
                first = seen.setdefault(pattern, owner)
                if first != owner:
                    yield (
                        f"services[{index}].path_patterns[{position}]: {pattern!r} also belongs "
                        f"to {first}; leave it to one of them"
                    )

    def _requests_without_paths(self) -> Iterator[str]:
        """Gates that need the tool's own requests, for a service without a path to request."""
        for index, service in enumerate(self.services):
            if service.has_safe_paths:
                continue
            gates = self.traffic_of(service).gates
            where = f"services[{index}].traffic.gates" if service.traffic else "traffic.gates"
            remedy = f"give {service.name} checks or parity paths"
            if gates.source == "probes":
                yield (
                    f"{where}.source: probes need paths of services[{index}]; {remedy}, or use "
                    "cloudwatch"
                )
            if gates.too_little_traffic == "synthesize":
                yield (
                    f"{where}.too_little_traffic: synthesize needs paths of services[{index}]; "
                    f"{remedy}, or use wait"
                )

    def service(self, name: str) -> ServiceConfig:
        """The service of that name; `KeyError` when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def traffic_of(self, service: ServiceConfig) -> Traffic:
        """The service's own traffic steps and gates, or the split's."""
        return service.traffic or self.traffic

    def ambiguous_patterns(self) -> list[tuple[ServiceConfig, str, ServiceConfig, str]]:
        """Find the patterns of two services that match the same paths, each with its service."""
        found = []
        for one, other in combinations(self.services, 2):
            pairs = product(one.path_patterns, other.path_patterns)
            for pattern, rival in pairs:
                if overlaps(pattern, rival):
                    found.append((one, pattern, other, rival))
        return found


def _longest_connection(values: Any) -> float | None:
    """`monolith.longest_connection` of a config that is not validated; None without a number."""
    if not isinstance(values, dict) or not isinstance(values.get("services"), list | tuple):
        return None
    monolith = values.get("monolith")
    if not isinstance(monolith, dict):
        return None
    longest = monolith.get("longest_connection")
    if isinstance(longest, bool) or not isinstance(longest, int | float):
        return None
    return longest


def _with_delay(service: Any, longest: float) -> Any:
    """A service with a deregistration delay for such connections, unless it has its own."""
    if not isinstance(service, dict) or "deregistration_delay" in service:
        return service
    default = ServiceConfig.model_fields["deregistration_delay"].default
    delay = min(math.ceil(longest), _LONGEST_DELAY)
    return {**service, "deregistration_delay": max(default, delay)}
