"""One microservice: its image, its paths, its size, and how to tell that it is right."""

from collections.abc import Iterator
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
    The memory sizes that Fargate has for a number of CPU units.

    Args:
        cpu: CPU units, 1024 = 1 vCPU.

    Returns:
        Sizes in MiB; empty for CPU units that Fargate does not have.

    Source: ECS developer guide, "Task definition parameters for Fargate", task CPU and memory.
    """
    return _FARGATE_MEMORY.get(cpu, ())


class Build(ConfigModel):
    """How to build the service's image."""

    context: Annotated[Path, AfterValidator(relative_to_the_config)]
    """Folder sent to the engine; relative to the config file."""
    dockerfile: str = "Dockerfile"
    """Dockerfile, relative to the context."""
    args: dict[str, str] = Field(default_factory=dict)
    """Build arguments, e.g. the base image."""


class HealthCheck(ConfigModel):
    """The target group's health check; the defaults are the lab's."""

    path: Annotated[str, Field(pattern=r"^/", examples=["/health"])] = "/"
    """Path the load balancer calls on every target."""
    interval: Annotated[StrictInt, Field(ge=5, le=300)] = 6
    """Seconds between two checks."""
    timeout: Annotated[StrictInt, Field(ge=2, le=120)] = 5
    """Seconds without an answer that make a check fail; shorter than the interval."""
    healthy_threshold: Annotated[StrictInt, Field(ge=2, le=10)] = 2
    """Passed checks in a row that make a target healthy."""
    unhealthy_threshold: Annotated[StrictInt, Field(ge=2, le=10)] = 2
    """Failed checks in a row that make a target unhealthy."""
    matcher: Annotated[str, Field(pattern=_MATCHER, examples=["200-299"])] = "200"
    """HTTP codes that count as healthy: `200`, `200-299` or `200,202`."""

    def faults(self) -> Iterator[str]:
        """A timeout that is not shorter than the interval."""
        if self.timeout >= self.interval:
            yield (
                f"timeout: {self.timeout} is not shorter than interval {self.interval}; lower the "
                "timeout"
            )


class Check(ConfigModel):
    """One request that must be answered as described, before any user's is."""

    path: Annotated[str, Field(pattern=r"^/", examples=["/api/users/1"])]
    """Path with query string, e.g. `/api/users/1`."""
    status: Annotated[StrictInt, Field(ge=100, le=599)] = 200
    """Expected HTTP status."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the answer must carry, with these values."""
    json_subset: Any = None
    """JSON that the body must contain: objects by key, lists item by item."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema that the body must meet."""
    max_latency: Annotated[StrictFloat, Field(gt=0, le=60)] | None = None
    """Seconds within which the answer must be complete."""

    def faults(self) -> Iterator[str]:
        """A JSON Schema that is none."""
        schema = self.json_schema
        if schema is not None:
            try:
                jsonschema.validators.validator_for(schema).check_schema(schema)
            except jsonschema.SchemaError as error:
                yield f"json_schema: {error.json_path} is no JSON Schema ({error.message}); mend it"


class Parity(ConfigModel):
    """
    The same safe requests to the monolith and to the candidate must be answered alike. Only GET,
    ever.
    """

    paths: tuple[Annotated[str, Field(pattern=r"^/", examples=["/api/users/1"])], ...] = ()
    """Paths to compare."""
    paths_file: Annotated[Path | None, AfterValidator(relative_to_the_config)] = None
    """
    A file of paths, one a line, e.g. cut from an access log; those that the service takes over are
    compared.
    """
    sample: Annotated[StrictInt, Field(ge=1, le=1000)] = 50
    """At most so many different paths are taken from the file, evenly spread over it."""
    ignore: tuple[Annotated[str, Field(pattern=r"^/", examples=["/generated_at"])], ...] = ()
    """
    JSON pointers (`*` for any item) of fields that may differ, e.g. `/generated_at` or `/*/id`.
    """
    unordered: bool = False
    """Whether lists may come in another order."""
    allow_differences: bool = False
    """Report differences, but go on."""


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
    """ARNs the statement is about."""


class ServiceConfig(ConfigModel):
    """One microservice to carve out of the monolith."""

    # ELBv2 allows a target group name 32 characters, and `-tg` takes three of them; ECR takes
    # single hyphens only.
    name: Annotated[
        str, Field(min_length=2, max_length=29, pattern=r"^[a-z](-?[a-z0-9])*$", examples=["users"])
    ]
    """ECS service name; the other resources' names derive from it."""
    path_patterns: tuple[str, ...] = Field(min_length=1)
    """ALB path patterns it takes over, e.g. `/api/users*`."""
    build: Build | None = None
    """How to build its image; or give `image`."""
    image: (
        Annotated[str, Field(pattern=r"^\S+$", examples=["registry.example.com/users:1.4"])] | None
    ) = None
    """A ready image, e.g. in another repository; or give `build`."""
    port: Annotated[StrictInt, Field(ge=1, le=65535)] = 3000
    """Port the container listens on."""
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
    """Seconds a target that leaves may finish what it has in flight."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the container."""
    secrets: dict[str, _SecretArn] = Field(default_factory=dict)
    """Environment variables filled by ECS from Secrets Manager or SSM Parameter Store, by ARN."""
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
    """Requests that must be answered as described."""
    parity: Parity = Parity()
    """Requests that must be answered as the monolith does."""
    traffic: Traffic | None = None
    """Other traffic steps and gates than the split's."""

    @field_validator("path_patterns")
    @classmethod
    def _patterns_can_match(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        found = [
            f"[{index}]: {fault}"
            for index, pattern in enumerate(patterns)
            for fault in _pattern_faults(pattern)
        ]
        twice = sorted({pattern for pattern in patterns if patterns.count(pattern) > 1})
        found += [f": {pattern!r} is in the list twice; name it once" for pattern in twice]
        if found:
            raise ValueError("\n".join(found))
        return patterns

    def faults(self) -> Iterator[str]:
        """
        No image or two, a size that Fargate does not have, a variable that is a
        secret as well.
        """
        if (self.build is None) == (self.image is None):
            yield (
                f"build / image: {'both are' if self.build else 'neither is'} given; give "
                "exactly one of them"
            )
        allowed = fargate_memory(self.cpu)
        if self.memory not in allowed:
            sizes = ", ".join(str(size) for size in allowed)
            yield (
                f"memory: {self.memory} MiB is not to be had with cpu {self.cpu}; choose one of "
                f"{sizes}"
            )
        for name in sorted(set(self.environment) & set(self.secrets)):
            yield f"environment.{name}: is a secret as well; keep one of the two"

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

    @property
    def uses_own_repository(self) -> bool:
        """Whether the image is built here and pushed to a repository of the service's own."""
        return self.build is not None


def _pattern_faults(pattern: str) -> Iterator[str]:
    if len(pattern) > 128:
        yield f"{pattern!r} is longer than ELBv2's 128 characters; shorten it"
    if not is_valid(pattern):
        yield (
            f"{pattern!r} can never match; begin it with `/`, leave out the query string, and "
            "use only letters, digits and _-.$/~\"'@:+&*?"
        )
    if pattern.count("*") + pattern.count("?") > 5:
        yield f"{pattern!r} has more than ELBv2's 5 wildcards; use fewer"
