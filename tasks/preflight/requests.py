"""The tool's own requests: whether they can be sent, and are about the service."""

from collections.abc import Iterator, Mapping, Sequence

from config.aws import AwsConfig
from config.errors import CheckFailed
from config.path_pattern import matches
from config.proof.requests import Check, HeaderValue
from config.service import ServiceConfig
from tasks.http.comparison.parity import parity_paths
from tasks.http.request_headers import read_headers
from tasks.preflight.finding import Finding

__all__ = ["check_own_requests", "first_path"]

Services = Mapping[str, ServiceConfig]


def check_own_requests(
    aws: AwsConfig, services: Services, monolith_checks: Sequence[Check]
) -> list[Finding]:
    """
    Find requests that no user would send to their service, and headers that cannot be read.

    Args:
        aws: Where AWS is.
        services: By their place in the config.
        monolith_checks: Those of paths that no service takes.
    """
    findings: list[Finding] = []
    for where, service in services.items():
        if not service.has_safe_paths:
            findings.append(_nothing_to_ask(where, service))
        findings += _check_paths(where, service)
        findings += _check_headers(aws, where, service.request_headers)
        findings += _check_headers(aws, f"{where}.parity", service.parity.request_headers)
        findings += _check_headers_of_all(aws, f"{where}.checks", service.checks)
    findings += _check_headers_of_all(aws, "monolith.checks", monolith_checks)
    return findings


def _nothing_to_ask(where: str, service: ServiceConfig) -> Finding:
    """A proof of health alone: any server that answers its health check passes it."""
    return Finding(
        f"{where}: {service.name} has neither checks nor parity, so only its health is proven "
        "before users reach it; give checks, or parity.paths",
        stops=False,
    )


def _check_headers_of_all(aws: AwsConfig, field: str, checks: Sequence[Check]) -> Iterator[Finding]:
    for index, check in enumerate(checks):
        yield from _check_headers(aws, f"{field}[{index}]", check.request_headers)


def _check_headers(
    aws: AwsConfig, where: str, headers: Mapping[str, HeaderValue]
) -> Iterator[Finding]:
    try:
        read_headers(aws, headers)
    except CheckFailed as error:
        yield Finding(f"{where}.{error}")


def _check_paths(where: str, service: ServiceConfig) -> Iterator[Finding]:
    for index, check in enumerate(service.checks):
        yield from _check_path(f"{where}.checks[{index}].path", check.path, service)
    for index, path in enumerate(service.parity.paths):
        yield from _check_path(f"{where}.parity.paths[{index}]", path, service)


def _check_path(field: str, sent: str, service: ServiceConfig) -> Iterator[Finding]:
    path, _, _ = sent.partition("?")
    if any(matches(pattern, path) for pattern in service.path_patterns):
        return
    patterns = ", ".join(service.path_patterns)
    yield Finding(
        f"{field}: {sent!r} matches none of path_patterns ({patterns}), so {service.name} never "
        "gets it; choose a path of the service, or move the check to monolith.checks"
    )


def first_path(services: Services, monolith_checks: Sequence[Check]) -> str | None:
    """
    A path that the tool may request; None without checks and parity.

    Raises:
        InvalidConfig: A file of paths cannot be read.
    """
    paths = [check.path for check in monolith_checks]
    for service in services.values():
        paths += [check.path for check in service.checks]
        paths += parity_paths(service)
    return paths[0] if paths else None
