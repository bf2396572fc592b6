"""One service's part of the listener."""

from dataclasses import dataclass

from config.service import ServiceConfig
from tasks.http.client import Route

__all__ = ["Placement"]


@dataclass(frozen=True)
class Placement:
    """One service's part of the listener: its rules, its target group, and the ways to it."""

    service: ServiceConfig
    rule_arns: tuple[str, ...]
    target_group_arn: str
    user: Route
    preview: Route
    control: Route
    probe_paths: tuple[str, ...]
    """Safe GETs, answered alike by both."""
