"""One microservice: its image, paths and size, and the checks of its responses."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictInt, field_validator

from config.base import ConfigModel, relative_to_the_config
from config.path_pattern import is_valid
from config.proof.keep_alive import KeepAlive
from config.proof.requests import Check, HeaderValue, Parity, RequestHeaders, header_faults
from config.traffic import Traffic

__all__ = [
    "Build",
    "Check",
    "HealthCheck",
    "Parity",
    "PolicyStatement",
    "ServiceConfig",
    "fargate_memory",
]

_GIB: Final = 1024
_LONGEST_PATTERN: Final = 128
_MOST_WILDCARDS: Final = 5
_MATCHER: Final = r"^[2-4][0-9]{2}(-[2-4][0-9]{2})?(,[2-4][0-9]{2}(-[2-4][0-9]{2})?)*$"
_SecretArn = Annotated[
    str,
    Field(
        pattern=r"^arn:[^:]+:(secretsmanager|ssm):.+",
        examples=["arn:aws:secretsmanager:eu-central-1:123456789012:secret:forum-db"],
    ),
]
_FARGATE_MEMORY: Final[dict[int, tuple[int, ...]]] = {
    256: (512, 1 * _GIB, 2 * _GIB),
    512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}


def fargate_memory(cpu: int) -> tuple[int, ...]:
    """
    The memory sizes that Fargate supports for a number of CPU units.

    Args:
        cpu: CPU units, 1024 = 1 vCPU.

    Returns:
        Sizes in MiB; empty for CPU units that Fargate does not support.

    Source: ECS developer guide, "Task definition parameters for Fargate", task CPU and memory.
    """
    return _FARGATE_MEMORY.get(cpu, ())


class Build(ConfigModel):
    """How to build the service's image."""

    context: Annotated[Path, AfterValidator(relative_to_the_config)]
    """Folder sent to the engine; relative to the config file."""
    dockerfile: str = "Dockerfile"
    """
    Dockerfile, relative to the context, which it may be outside of. Beside it may be its own ignore
    file, e.g. `Dockerfile.dockerignore`.
    """
    args: dict[str, str] = Field(default_factory=dict)
    """Build arguments, e.g. the base image."""


class HealthCheck(ConfigModel):
    """The target group's health check."""

    path: Annotated[str, Field(pattern=r"^/", examples=["/health"])] = "/"
    """Path that the load balancer requests from every target."""
    interval: Annotated[StrictInt, Field(ge=5, le=300)] = 6
    """Seconds between two checks."""
    timeout: Annotated[StrictInt, Field(ge=2, le=120)] = 5
    """Seconds without a response after which a check fails; shorter than the interval."""
    healthy_threshold: Annotated[StrictInt, Field(ge=2, le=10)] = 2
    """Passed checks in a row that make a target healthy."""
    unhealthy_threshold: Annotated[StrictInt, Field(ge=2, le=10)] = 2
    """Failed checks in a row that make a target unhealthy."""
    matcher: Annotated[str, Field(pattern=_MATCHER, examples=["200-299"])] = "200"
    """HTTP codes that count as healthy: `200`, `200-299` or `200,202`."""

    def faults(self) -> Iterator[str]:
        """A timeout that is not shorter than the interval."""
        timeout = self.timeout
        interval = self.interval
        if timeout >= interval:
            yield f"timeout: {timeout} is not shorter than interval {interval}; lower the timeout"


class PolicyStatement(ConfigModel):
    """One IAM statement of the service's task role."""

    effect: Literal["Allow", "Deny"] = "Allow"
    """IAM effect."""
    actions: tuple[
        Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z0-9_*]+$", examples=["s3:GetObject"])],
        ...,
    ] = Field(min_length=1)
    """IAM actions, e.g. `s3:GetObject`; not `*` for every service."""
    resources: tuple[
        Annotated[str, Field(pattern=r"^(\*|arn:.+)$", examples=["arn:aws:s3:::forum-pictures/*"])],
        ...,
    ] = Field(min_length=1)
    """ARNs that the statement applies to."""


class ServiceConfig(ConfigModel):
    """One microservice to split off the monolith."""

    # ELBv2 allows a target group name 32 characters, and `-tg` takes three of them; ECR takes
    # single hyphens only.
    name: Annotated[
        str, Field(min_length=2, max_length=29, pattern=r"^[a-z](-?[a-z0-9])*$", examples=["users"])
    ]
    """ECS service name; the other resources' names derive from it."""
    path_patterns: tuple[str, ...] = Field(min_length=1)
    """ALB path patterns that it takes over, e.g. `/api/users*`."""
    build: Build | None = None
    """How to build its image; alternatively give `image`."""
    image: (
        Annotated[str, Field(pattern=r"^\S+$", examples=["registry.example.com/users:1.4"])] | None
    ) = None
    """
    A ready image in any registry, e.g. `nginx:1.27`; alternatively give `build`. Its tag is
    replaced by the digest where the registry is ECR, or names it without credentials.
    """
    port: Annotated[StrictInt, Field(ge=1, le=65535)] = 3000
    """Port that the container listens on."""
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = 256
    """Task CPU units, 1024 = 1 vCPU."""
    memory: Annotated[StrictInt, Field(ge=512, le=122880)] = 512
    """Task memory in MiB."""
    cpu_architecture: Literal["X86_64", "ARM64"] = "X86_64"
    """CPU architecture of image and task."""
    desired_count: Annotated[StrictInt, Field(ge=1, le=5000)] = 1
    """Number of ECS tasks."""
    health_check: HealthCheck = HealthCheck()
    """The target group's health check."""
    health_check_grace_period: Annotated[StrictInt, Field(ge=0, le=2147483647)] = 30
    """Seconds during which ECS ignores failed health checks of a new task."""
    keep_alive: KeepAlive = KeepAlive()
    """How long its server keeps idle connections."""
    deregistration_delay: Annotated[StrictInt, Field(ge=0, le=3600)] = 30
    """
    Seconds that a deregistered target has to finish its requests in flight; by default
    `monolith.longest_connection` where that is more than 30 (at most 3600).
    """
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the container."""
    secrets: dict[str, _SecretArn] = Field(default_factory=dict)
    """Environment variables that ECS reads from Secrets Manager or SSM Parameter Store, by ARN."""
    task_role_policy: tuple[PolicyStatement, ...] = ()
    """What the service's code may do in AWS; nothing by default."""
    log_retention_days: Literal[
        1,
        3,
        5,
        7,
        14,
        30,
        60,
        90,
        120,
        150,
        180,
        365,
        400,
        545,
        731,
        1096,
        1827,
        2192,
        2557,
        2922,
        3288,
        3653,
    ] = 30
    """Days that CloudWatch Logs keeps the service's log."""
    checks: tuple[Check, ...] = ()
    """Requests whose responses are checked."""
    parity: Parity = Parity()
    """Requests whose responses must be equal to the monolith's."""
    request_headers: RequestHeaders = Field(default_factory=dict)
    """
    Headers of all the tool's own requests to the service: checks, parity and probes. A value is a
    text, or a reference to a secret one: `{env: NAME}`, `{secret: NAME}` or `{parameter: NAME}`.
    """
    traffic: Traffic | None = None
    """Traffic steps and gates of this service; by default the split's."""

    @field_validator("path_patterns")
    @classmethod
    def _patterns_can_match(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse patterns that no path can match, and those that are listed twice."""
        found = [*_faults_of_each(patterns), *_duplicates(patterns)]
        if found:
            raise ValueError("\n".join(found))
        return patterns

    def faults(self) -> Iterator[str]:
        """No image or two, a size that Fargate does not support, a variable given twice."""
        if self.build and self.image:
            yield "build / image: both are given; give exactly one of them"
        if not self.build and not self.image:
            yield "build / image: neither is given; give exactly one of them"
        yield from self._size_faults()
        for name in sorted(set(self.environment) & set(self.secrets)):
            yield f"environment.{name}: is a secret as well; keep one of the two"
        yield from header_faults(self.request_headers)

    def _size_faults(self) -> Iterator[str]:
        """A size that Fargate does not support."""
        cpu = self.cpu
        memory = self.memory
        allowed = fargate_memory(cpu)
        if memory not in allowed:
            sizes = ", ".join(map(str, allowed))
            yield f"memory: memory {memory} is not valid for cpu {cpu}; use one of {sizes}"

    @property
    def has_safe_paths(self) -> bool:
        """
        Whether it has paths that the tool may request on its own.

        Those of checks and parity are GETs, and the user has named them.
        """
        parity = self.parity
        compared = parity.paths or parity.paths_file
        return bool(self.checks or compared)

    @property
    def own_checks(self) -> tuple[Check, ...]:
        """The checks, each with the service's request headers beside its own."""
        return tuple(check.with_request_headers(self.request_headers) for check in self.checks)

    @property
    def parity_headers(self) -> Mapping[str, HeaderValue]:
        """The request headers of parity, with the service's."""
        return {**self.request_headers, **self.parity.request_headers}

    @property
    def target_group(self) -> str:
        """Name of its target group."""
        return f"{self.name}-tg"

    @property
    def family(self) -> str:
        """Family of its task definition."""
        return f"{self.name}-task-def"

    @property
    def container(self) -> str:
        """Name of its container."""
        return f"{self.name}-cntr"

    @property
    def log_group(self) -> str:
        """Name of its log group."""
        return f"/ecs/{self.name}"

    @property
    def task_role(self) -> str:
        """Name of its task role."""
        return f"{self.name}-task-role"


def _faults_of_each(patterns: Iterable[str]) -> Iterator[str]:
    """What is wrong with patterns, each with its place in the list."""
    for index, pattern in enumerate(patterns):
        for fault in _pattern_faults(pattern):
            yield f"[{index}]: {fault}"


def _duplicates(patterns: Iterable[str]) -> Iterator[str]:
    """Patterns that are listed twice."""
    for pattern, count in Counter(patterns).items():
        if count > 1:
            yield f": {pattern!r} is listed twice; list it once"


def _pattern_faults(pattern: str) -> Iterator[str]:
    """What is wrong with a pattern, and the remedy."""
    if len(pattern) > _LONGEST_PATTERN:
        yield f"{pattern!r} is longer than ELBv2's {_LONGEST_PATTERN} characters; shorten it"
    if not is_valid(pattern):
        yield (
            f"{pattern!r} can never match; begin it with `/`, leave out the query string, and "
            "use only letters, digits and _-.$/~\"'@:+&*?"
        )
    if _wildcards(pattern) > _MOST_WILDCARDS:
        yield f"{pattern!r} has more than ELBv2's {_MOST_WILDCARDS} wildcards; use fewer"


def _wildcards(pattern: str) -> int:
    """How many wildcards a pattern has."""
    stars = pattern.count("*")
    questions = pattern.count("?")
    return stars + questions
