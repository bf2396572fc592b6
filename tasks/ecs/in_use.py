"""What ECS runs, or would run again: task definition revisions and images that must stay."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.task import aws_task

__all__ = ["InUse", "images_of", "read_in_use"]

_SERVICES_PER_CALL: Final = 10
_TASKS_PER_CALL: Final = 100


@dataclass(frozen=True)
class InUse:
    """What services and tasks of every cluster of the region name."""

    task_definitions: frozenset[str]
    """ARNs of revisions."""
    images: frozenset[str]
    """References as the revisions have them, and digests of running containers."""

    def has_image(self, uri: str, digest: str, tags: Iterable[str] = ()) -> bool:
        """
        Whether an image is in use.

        Args:
            uri: URI of its repository.
            digest: Its digest.
            tags: Its tags.
        """
        return not self.images.isdisjoint(
            {digest, f"{uri}@{digest}", *(f"{uri}:{tag}" for tag in tags)}
        )


@aws_task("look for what runs")
def read_in_use(aws: AwsConfig) -> InUse:
    """
    Revisions and images of all services' deployments and of all tasks, in every cluster of the
    region.

    A service without tasks counts too: it would start them with its revision.

    Source: ECS ListClusters, ListServices, DescribeServices, ListTasks, DescribeTasks,
        DescribeTaskDefinition.
    """
    ecs = client(aws, "ecs")
    definitions: set[str] = set()
    images: set[str] = set()
    described: set[str] = set()
    clusters = [
        arn for page in ecs.get_paginator("list_clusters").paginate() for arn in page["clusterArns"]
    ]
    for cluster in clusters:
        for service in _services(aws, cluster):
            runs = [service, *service.get("deployments", []), *service.get("taskSets", [])]
            definitions |= {item["taskDefinition"] for item in runs if item.get("taskDefinition")}
        for task in _tasks(aws, cluster):
            definitions.add(task["taskDefinitionArn"])
            described.add(task["taskDefinitionArn"])
            for container in task.get("containers", []):
                images |= {container[key] for key in ("image", "imageDigest") if container.get(key)}
    for arn in sorted(definitions - described):
        images |= images_of(ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"])
    return InUse(frozenset(definitions), frozenset(images))


def images_of(definition: Any) -> frozenset[str]:
    """The images that a task definition names."""
    return frozenset(container["image"] for container in definition["containerDefinitions"])


def _services(aws: AwsConfig, cluster: str) -> Iterator[Any]:
    ecs = client(aws, "ecs")
    pages = ecs.get_paginator("list_services").paginate(cluster=cluster)
    for chunk in _chunks(
        [arn for page in pages for arn in page["serviceArns"]], _SERVICES_PER_CALL
    ):
        yield from ecs.describe_services(cluster=cluster, services=chunk)["services"]


def _tasks(aws: AwsConfig, cluster: str) -> Iterator[Any]:
    ecs = client(aws, "ecs")
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster)
    for chunk in _chunks([arn for page in pages for arn in page["taskArns"]], _TASKS_PER_CALL):
        yield from ecs.describe_tasks(cluster=cluster, tasks=chunk)["tasks"]


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
