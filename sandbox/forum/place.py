"""Puts the monolith into an empty sandbox, and waits until it answers."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests

from sandbox.api.internal import internal_client
from sandbox.forum.config import FORUM
from sandbox.forum.image import ImageFailed, push_image
from sandbox.forum.network import Network, place_network
from sandbox.forum.service import CLUSTER, SERVICE, TASKS, place_cluster, place_service
from sandbox.parts import Parts

__all__ = ["ForumFailed", "Stopped", "place_forum"]

_TIMEOUT: Final = 60.0
_POLL: Final = 0.05


class ForumFailed(Exception):
    """Raised when the monolith does not start."""


class Stopped(Exception):
    """Raised when the sandbox is stopped before the monolith has started."""


def place_forum(parts: Parts, stop: threading.Event, log: Callable[[str], None]) -> str:
    """
    Create network, image, role and service; wait until the monolith answers.

    Returns:
        The load balancer's URL.

    Raises:
        ForumFailed: The image cannot be built, or the monolith does not answer within a minute.
        Stopped: `stop` was set meanwhile.
    """
    url, docker_host = parts.endpoint_url, parts.engine.docker_host
    with ThreadPoolExecutor(2, thread_name_prefix="forum") as pool:
        pushed = pool.submit(push_image, url, docker_host, "forum-monolith", FORUM / "monolith")
        placed = pool.submit(place_network, url, parts.addresses)
        role = place_cluster(url)
        try:
            image = pushed.result()
        except ImageFailed as error:
            raise ForumFailed(f"image of the monolith: {error}") from None
        network = placed.result()
    if stop.is_set():
        raise Stopped
    log("network and image created; starting the monolith")
    place_service(url, network, image, role)
    _wait_until_healthy(url, network, stop)
    _wait_until_answering(network.alb_url, stop)
    return network.alb_url


def _wait_until_healthy(endpoint_url: str, network: Network, stop: threading.Event) -> None:
    elb = internal_client(endpoint_url, "elbv2")

    def healthy() -> bool:
        answer = elb.describe_target_health(TargetGroupArn=network.target_group_arn)
        targets = answer["TargetHealthDescriptions"]
        states = [target["TargetHealth"]["State"] for target in targets]
        return states == ["healthy"] * TASKS

    if not _wait_until(healthy, stop):
        raise ForumFailed(
            f"the monolith's targets are not healthy after {_TIMEOUT:.0f} s\n"
            f"{_explain(endpoint_url)}"
        )


def _wait_until_answering(alb_url: str, stop: threading.Event) -> None:
    url = f"{alb_url}/api/users"

    def answers() -> bool:
        try:
            answer = session.get(url, timeout=5)
        except requests.RequestException:
            return False
        return answer.headers.get("X-Served-By") == "monolith"

    with requests.Session() as session:
        session.trust_env = False  # no proxy between here and a loopback address
        if not _wait_until(answers, stop):
            raise ForumFailed(f"the monolith does not answer at {url} after {_TIMEOUT:.0f} s")


def _wait_until(condition: Callable[[], bool], stop: threading.Event) -> bool:
    """Whether the condition becomes true within `_TIMEOUT`."""
    deadline = time.monotonic() + _TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            return False
        if stop.wait(_POLL):
            raise Stopped
    return True


def _explain(endpoint_url: str) -> str:
    """The service's latest events, and why its tasks stopped."""
    ecs = internal_client(endpoint_url, "ecs")
    service: Any = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    lines = [event["message"] for event in service["events"][:5]]
    stopped = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE, desiredStatus="STOPPED")
    arns = stopped["taskArns"][:10]
    if arns:
        tasks = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        lines += sorted({task.get("stoppedReason", "stopped without a reason") for task in tasks})
    return "\n".join(f"  {line}" for line in lines)
