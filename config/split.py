"""The whole wish: one monolith, one listener, the services to carve out."""

from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.aws import AwsConfig
from config.base import ConfigModel
from config.monolith import ForwardTo, MonolithConfig
from config.path_pattern import overlaps
from config.service import ServiceConfig
from config.traffic import Traffic

__all__ = ["ListenerConfig", "NetworkConfig", "SplitConfig"]


class ListenerConfig(ConfigModel):
    """Which listener the paths are on; found from the monolith's target group when left out."""

    load_balancer: str | None = None
    """Name or ARN of the Application Load Balancer."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the listener; needed when the load balancer has several."""
    url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    """Address under which clients reach the listener, e.g. with the host name of its certificate."""


class NetworkConfig(ConfigModel):
    """Where the services' tasks run; the monolith's own network when left out."""

    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")], ...] | None = None
    """Subnets, in at least two availability zones."""
    security_groups: tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$")], ...] | None = None
    """Security groups that let the load balancer reach the services' ports."""
    assign_public_ip: Literal["ENABLED", "DISABLED"] | None = None
    """Whether tasks get a public address."""


class SplitConfig(ConfigModel):
    """Everything one split needs. What the running monolith can tell is optional."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
    """Name of this split; what it makes is tagged with it."""
    aws: AwsConfig
    """Where AWS is."""
    cluster: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$")]
    """ECS cluster of the monolith and of the services."""
    monolith: MonolithConfig
    """The ECS service to split."""
    services: tuple[ServiceConfig, ...] = Field(min_length=1)
    """The services to carve out."""
    listener: ListenerConfig = ListenerConfig()
    """The listener that routes the paths."""
    network: NetworkConfig = NetworkConfig()
    """Subnets and security groups of the services."""
    execution_role_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")] | None = None
    """Role with which ECS pulls images and writes logs; the monolith's when left out."""
    docker_host: Annotated[str, Field(pattern=r"^(unix|tcp|ssh|npipe)://")] | None = None
    """Docker engine that builds and pushes; `DOCKER_HOST` or the local socket when left out."""
    traffic: Traffic = Traffic()
    """Traffic steps and gates of all services that have none of their own."""
    stable_timeout: Annotated[float, Field(ge=10, le=7200)] = 900
    """Seconds a service may take to become stable and healthy."""
    max_parallel: Annotated[int, Field(ge=1, le=32)] = 4
    """Services that are worked on side by side."""
    fan_out: Literal["in_process", "work_pool"] = "in_process"
    """Whether services are subflows of this process, or deployment runs on a Prefect work pool."""
    keep_images: Annotated[int, Field(ge=1, le=1000)] = 5
    """Old images and task definition revisions that `flows.redeploy` keeps, beside those in use."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: dict[str, int] = {self.monolith.service: -1}
        for index, service in enumerate(self.services):
            if service.name in seen:
                first = seen[service.name]
                where = "monolith.service" if first < 0 else f"services[{first}].name"
                raise ValueError(f"services[{index}].name: {service.name} is taken by {where}; choose another")
            seen[service.name] = index
        return self

    @model_validator(mode="after")
    def _each_path_has_one_owner(self) -> Self:
        for (i, one), (j, other) in combinations(enumerate(self.services), 2):
            for pattern in one.path_patterns:
                for rival in other.path_patterns:
                    if pattern == rival:
                        raise ValueError(
                            f"services[{j}].path_patterns: {rival!r} is claimed by services[{i}] ({one.name}) as well; "
                            "leave it to one of them"
                        )
        return self

    @model_validator(mode="after")
    def _default_action_names_a_service(self) -> Self:
        action = self.monolith.default_action
        if isinstance(action, ForwardTo) and action.service not in {service.name for service in self.services}:
            names = ", ".join(service.name for service in self.services)
            raise ValueError(
                f"monolith.default_action.service: {action.service!r} is no service here; choose one of {names}"
            )
        return self

    def service(self, name: str) -> ServiceConfig:
        """The service of that name; `KeyError` when there is none."""
        return {service.name: service for service in self.services}[name]

    def traffic_of(self, service: ServiceConfig) -> Traffic:
        """The service's own traffic steps and gates, or the split's."""
        return service.traffic or self.traffic

    def ambiguous_patterns(self) -> list[tuple[ServiceConfig, str, ServiceConfig, str]]:
        """Pairs of different patterns of two services that some path matches both of."""
        return [
            (one, pattern, other, rival)
            for one, other in combinations(self.services, 2)
            for pattern in one.path_patterns
            for rival in other.path_patterns
            if overlaps(pattern, rival)
        ]
