"""Whether the monolith's service, target group and listener are such that a split can work."""

import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final

from config.aws import AwsConfig
from config.monolith import MonolithConfig
from config.split import ListenerConfig
from tasks.discovery import Discovered, Monolith
from tasks.elbv2.target_group import read_is_sticky
from tasks.preflight.finding import Finding

__all__ = ["check_deployment", "check_listener", "check_stickiness"]

_PATIENCE: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}


def check_deployment(config: MonolithConfig, cluster: str, monolith: Monolith) -> Iterator[Finding]:
    """
    Find what else changes the monolith's rules and target groups, or its number of tasks.

    Args:
        config: The monolith's section of the config.
        cluster: Name of its cluster.
        monolith: As it runs.
    """
    name = f"monolith.service: {monolith.service}"
    if monolith.managed_by != "CUSTOMER":
        yield Finding(
            f"{name} is an Express Mode service (resourceManagementType {monolith.managed_by}): "
            "ECS itself manages its load balancer and rules; only a service of the customer's own "
            "can be split"
        )
    if monolith.deployment_controller != "ECS":
        yield Finding(
            f"{name} is deployed by deploymentController {monolith.deployment_controller}, which "
            "moves the listener to another target group at every deployment; only services that "
            "ECS deploys by rolling updates can be split: recreate it with deploymentController "
            "ECS first"
        )
    elif monolith.deployment_strategy != "ROLLING":
        yield Finding(
            f"{name} is deployed with strategy {monolith.deployment_strategy}, which moves its "
            "rules to another target group at every deployment; switch it to rolling updates "
            f"first: `aws ecs update-service --cluster {cluster} --service {monolith.service} "
            "--deployment-configuration strategy=ROLLING`"
        )
    if monolith.scheduling_strategy == "DAEMON" and config.drain != "never":
        yield Finding(
            f"monolith.drain: {config.drain}, but {monolith.service} has schedulingStrategy "
            "DAEMON, and ECS scales no such service; set monolith.drain to never"
        )


def check_listener(config: ListenerConfig, discovered: Discovered) -> Iterator[Finding]:
    """Find an HTTPS listener without a URL, and one that no connection can be opened to."""
    if discovered.listener_protocol == "HTTPS" and config.url is None:
        yield Finding(
            f"listener.url: is not given, and the listener {discovered.alb_url} is HTTPS, whose "
            "certificate does not cover the load balancer's own name; give the URL that clients "
            "use, e.g. https://shop.example.com"
        )
        return
    reason = _why_unreachable(discovered.alb_url, discovered.alb_address)
    if reason:
        yield _unreachable(config, discovered, reason)


def _why_unreachable(url: str, address: str | None) -> str | None:
    """Why no connection can be opened to the address, else the URL's host; None when one can."""
    parts = urllib.parse.urlsplit(url)
    host = address or parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    if _has_proxy(parts.scheme, host):
        return None  # The requests go through the proxy, which may reach what this machine cannot.
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE):
            return None
    except OSError as error:
        return str(error) or type(error).__name__


def _has_proxy(scheme: str, host: str) -> bool:
    """Whether the environment names a proxy for the host."""
    proxies = urllib.request.getproxies()
    if scheme not in proxies and "all" not in proxies:
        return False
    return not urllib.request.proxy_bypass(host)


def _unreachable(config: ListenerConfig, discovered: Discovered, reason: str) -> Finding:
    """The finding, with a remedy for what kind of load balancer it is."""
    field = "listener.url" if config.url else "listener.load_balancer"
    text = f"{field}: {discovered.alb_url} cannot be reached from here ({reason})"
    if discovered.load_balancer_scheme == "internal":
        return Finding(
            f"{text}: the load balancer is internal; run this on a worker inside the VPC"
        )
    return Finding(
        f"{text}, and checks and probes go through it; let its security groups allow this machine, "
        "give another listener.url, or run this on a worker inside the VPC"
    )


def check_stickiness(aws: AwsConfig, groups: Mapping[str, str]) -> list[Finding]:
    """
    Find sticky target groups: ELBv2 refuses them in a weighted rule without group stickiness.

    Args:
        aws: Where AWS is.
        groups: ARN by field of the config, e.g. `services[0]`.

    Source: ELBv2 DescribeTargetGroupAttributes.
    """
    return [_sticky(field, arn) for field, arn in groups.items() if read_is_sticky(aws, arn)]


def _sticky(field: str, arn: str) -> Finding:
    name = arn.split("/")[-2]
    return Finding(
        f"{field}: target group {name} is sticky (stickiness.enabled), and ELBv2 refuses it in a "
        "rule that shares requests by weight; turn its stickiness off, at least for the split: "
        f"`aws elbv2 modify-target-group-attributes --target-group-arn {arn} --attributes "
        "Key=stickiness.enabled,Value=false`"
    )
