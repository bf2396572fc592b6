"""Connections that a drain or a deployment would cut."""

from collections.abc import Mapping

from config.monolith import MonolithConfig
from config.service import ServiceConfig
from tasks.cloudwatch.connections import ConnectionFigures, long_connection_signs
from tasks.preflight.finding import Finding

__all__ = ["check_delays", "check_long_connections"]


def check_long_connections(monolith: MonolithConfig, figures: ConnectionFigures) -> list[Finding]:
    """
    Warn of connections that the drain cuts, where the config does not have their length.

    Args:
        monolith: Of the config.
        figures: What AWS has of its connections.
    """
    if monolith.longest_connection is not None:
        return []
    quiet = monolith.quiet_seconds
    signs = long_connection_signs(figures, quiet)
    if not signs:
        return []
    text = (
        f"monolith.longest_connection: is not given, and {'; '.join(signs)}: the drain of "
        f"{monolith.service} cuts connections that stay open for more than {quiet:g} s (WebSocket, "
        "server-sent events, long polling, downloads); give the seconds that they last, or 0 if "
        "there are none"
    )
    return [Finding(text, stops=False)]


def check_delays(monolith: MonolithConfig, services: Mapping[str, ServiceConfig]) -> list[Finding]:
    """
    Warn of deregistration delays that are shorter than the longest connection.

    Args:
        monolith: Of the config.
        services: By their place in the config.
    """
    longest = monolith.longest_connection or 0
    findings = []
    for place, service in services.items():
        delay = service.deregistration_delay
        if delay < longest:
            text = (
                f"{place}.deregistration_delay: {delay} s is shorter than "
                f"monolith.longest_connection, {longest:g} s: a deployment or removal of "
                f"{service.name} cuts connections that are open for longer; raise it (ELBv2 "
                "allows 3600 s)"
            )
            findings.append(Finding(text, stops=False))
    return findings
