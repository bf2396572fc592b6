"""One microservice: its image, paths and size, and the checks of its responses."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import jsonschema
from pydantic import AfterValidator, Field, StrictFloat, StrictInt, field_validator

from config.base import ConfigModel, relative_to_the_config
from config.path_pattern import is_valid
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


class Check(ConfigModel):
    """One GET request and its expected response, checked before any user is sent to the service."""

    path: Annotated[str, Field(pattern=r"^/", examples=["/api/users/1"])]
    """Path with query string, e.g. `/api/users/1`."""
    status: Annotated[StrictInt, Field(ge=100, le=599)] = 200
    """Expected HTTP status."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the response must have, with these values."""
    json_subset: Any = None
    """JSON that the body must contain: objects by key, lists item by item."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema that the body must match."""
    max_latency: Annotated[StrictFloat, Field(gt=0, le=60)] | None = None
    """Seconds within which the response must be complete."""

    def faults(self) -> Iterator[str]:
        """A JSON Schema that is not valid."""
        schema = self.json_schema
        if schema is not None:
            try:
                jsonschema.validators.validator_for(schema).check_schema(schema)
            except jsonschema.SchemaError as error:
                yield f"json_schema: {error.json_path} is not valid ({error.message}); fix it"


class Parity(ConfigModel):
    """GET requests that are sent to monolith and service, whose responses must be equal."""

    paths: tuple[Annotated[str, Field(pattern=r"^/", examples=["/api/users/1"])], ...] = ()
    """Paths to compare."""
    paths_file: Annotated[Path | None, AfterValidator(relative_to_the_config)] = None
    """
    A file with one path a line, e.g. from an access log; those that the service takes over are
    compared.
    """
    sample: Annotated[StrictInt, Field(ge=1, le=1000)] = 50
    """How many different paths of the file are compared at most, evenly spread over it."""
    ignore: tuple[Annotated[str, Field(pattern=r"^/", examples=["/generated_at"])], ...] = ()
    """
    JSON pointers (`*` for any item) of fields that may differ, e.g. `/generated_at` or `/*/id`.
    """
    unordered: bool = False
    """Whether the order of lists may differ."""
    allow_differences: bool = False
    """Report differences, but continue."""


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
    deregistration_delay: Annotated[StrictInt, Field(ge=0, le=3600)] = 30
    """Seconds that a deregistered target has to finish its requests in flight."""
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
