"""Task definition revisions and images that ECS runs, or would run again: they must stay."""

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
    """What services and tasks of every cluster of the region use."""

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
        references = {digest, f"{uri}@{digest}"}
        references.update(f"{uri}:{tag}" for tag in tags)
        return not self.images.isdisjoint(references)


@aws_task("look for what runs")
def read_in_use(aws: AwsConfig) -> InUse:
    """
    Read the revisions and images of all services' deployments and all tasks of the region.

    A service without tasks counts too: it would start them with its revision.

    Source: ECS ListClusters, ListServices, DescribeServices, ListTasks, DescribeTasks,
        DescribeTaskDefinition.
    """
    of_services: set[str] = set()
    of_tasks: set[str] = set()
    images: set[str] = set()
    for cluster in _read_clusters(aws):
        for service in _read_services(aws, cluster):
            of_services |= _revisions_of(service)
        for task in _read_tasks(aws, cluster):
            of_tasks.add(task["taskDefinitionArn"])
            images |= _images_of_task(task)
    for arn in sorted(of_services - of_tasks):
        images |= _read_images(aws, arn)
    return InUse(frozenset(of_services | of_tasks), frozenset(images))


def images_of(definition: Any) -> frozenset[str]:
    """The images that a task definition names."""
    return frozenset(container["image"] for container in definition["containerDefinitions"])


def _revisions_of(service: Any) -> set[str]:
    runs = [service, *service.get("deployments", []), *service.get("taskSets", [])]
    return {run["taskDefinition"] for run in runs if run.get("taskDefinition")}


def _images_of_task(task: Any) -> set[str]:
    images = set()
    for container in task.get("containers", []):
        images |= {container.get("image"), container.get("imageDigest")}
    return images - {None, ""}


def _read_images(aws: AwsConfig, task_definition: str) -> frozenset[str]:
    found = client(aws, "ecs").describe_task_definition(taskDefinition=task_definition)
    return images_of(found["taskDefinition"])


def _read_clusters(aws: AwsConfig) -> list[str]:
    clusters: list[str] = []
    for page in client(aws, "ecs").get_paginator("list_clusters").paginate():
        clusters += page["clusterArns"]
    return clusters


def _read_services(aws: AwsConfig, cluster: str) -> Iterator[Any]:
    ecs = client(aws, "ecs")
    arns: list[str] = []
    for page in ecs.get_paginator("list_services").paginate(cluster=cluster):
        arns += page["serviceArns"]
    for part in _parts(arns, _SERVICES_PER_CALL):
        yield from ecs.describe_services(cluster=cluster, services=part)["services"]


def _read_tasks(aws: AwsConfig, cluster: str) -> Iterator[Any]:
    ecs = client(aws, "ecs")
    arns: list[str] = []
    for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster):
        arns += page["taskArns"]
    for part in _parts(arns, _TASKS_PER_CALL):
        yield from ecs.describe_tasks(cluster=cluster, tasks=part)["tasks"]


def _parts(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
