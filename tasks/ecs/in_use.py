"""Task definition revisions and images that ECS runs, or would run again: they must stay."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.parts import parts
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
        if digest in self.images or f"{uri}@{digest}" in self.images:
            return True
        return any(f"{uri}:{tag}" in self.images for tag in tags)


@aws_task("read what runs")
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
    containers = definition["containerDefinitions"]
    return frozenset(container["image"] for container in containers)


def _revisions_of(service: Any) -> set[str]:
    """The revisions of a service and of all its deployments."""
    deployments = service.get("deployments", [])
    task_sets = service.get("taskSets", [])
    revisions = {service.get("taskDefinition")}
    for run in [*deployments, *task_sets]:
        revisions.add(run.get("taskDefinition"))
    return revisions - {None}


def _images_of_task(task: Any) -> set[str]:
    """References and digests of a task's images."""
    images = set()
    containers = task.get("containers", [])
    for container in containers:
        images.add(container.get("image"))
        images.add(container.get("imageDigest"))
    return images - {None}


def _read_images(aws: AwsConfig, task_definition: str) -> frozenset[str]:
    """The images of a revision."""
    found = client(aws, "ecs").describe_task_definition(taskDefinition=task_definition)
    return images_of(found["taskDefinition"])


def _read_clusters(aws: AwsConfig) -> list[str]:
    """The ARNs of all clusters."""
    paginator = client(aws, "ecs").get_paginator("list_clusters")
    found = paginator.paginate().build_full_result()
    return list(found["clusterArns"])


def _read_services(aws: AwsConfig, cluster: str) -> Iterator[Any]:
    """ECS's descriptions of all services of a cluster."""
    ecs = client(aws, "ecs")
    pages = ecs.get_paginator("list_services").paginate(cluster=cluster)
    arns = pages.build_full_result()["serviceArns"]
    for part in parts(arns, _SERVICES_PER_CALL):
        found = ecs.describe_services(cluster=cluster, services=part)
        yield from found["services"]


def _read_tasks(aws: AwsConfig, cluster: str) -> Iterator[Any]:
    """ECS's descriptions of all tasks of a cluster."""
    ecs = client(aws, "ecs")
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster)
    arns = pages.build_full_result()["taskArns"]
    for part in parts(arns, _TASKS_PER_CALL):
        found = ecs.describe_tasks(cluster=cluster, tasks=part)
        yield from found["tasks"]
