"""ELBv2 attributes of target groups and load balancers: keys and values that AWS refuses."""

from collections.abc import Callable
from typing import Any, Final

from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer, FakeTargetGroup

from sandbox.api.errors import AwsError
from sandbox.api.moto_patches import MotoPatches
from sandbox.elbv2 import stickiness

__all__ = ["check_load_balancer_attributes", "check_target_group_attributes", "patch_moto"]

_BOOLEAN: Final = ("true", "false")
_WEEK: Final = 604_800
"""Seconds."""
_DELAY: Final = "deregistration_delay.timeout_seconds"
_LONGEST_DELAY: Final = "3600"
_ALGORITHM: Final = "load_balancing.algorithm.type"
_SLOW_START: Final = "slow_start.duration_seconds"
_COOKIE_NAME: Final = "stickiness.app_cookie.cookie_name"
_RESERVED_COOKIES: Final = "AWSALB"
"""AWSALBAPP and AWSALBTG, which are reserved as well, begin with it."""
_HEALTH: Final = "target_group_health"

_GROUP_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "load_balancing.algorithm.anomaly_mitigation": ("on", "off"),
    _ALGORITHM: ("round_robin", "least_outstanding_requests", "weighted_random"),
    "load_balancing.cross_zone.enabled": (*_BOOLEAN, "use_load_balancer_configuration"),
    "stickiness.enabled": _BOOLEAN,
    "stickiness.type": ("lb_cookie", "app_cookie", "source_ip"),
    "waf.http2.traffic_inspection_behavior": (
        "inspect_immediately",
        "inspect_after_sufficient_data",
    ),
    "routing.http2.rst_stream_error_forwarding.enabled": _BOOLEAN,
}
_GROUP_NUMBERS: Final[dict[str, tuple[range, tuple[str, ...]]]] = {
    _DELAY: (range(3600 + 1), ()),
    _SLOW_START: (range(30, 900 + 1), ("0",)),
    "stickiness.app_cookie.duration_seconds": (range(1, _WEEK + 1), ()),
    "stickiness.lb_cookie.duration_seconds": (range(1, _WEEK + 1), ()),
    f"{_HEALTH}.dns_failover.minimum_healthy_targets.count": (range(1, 1000 + 1), ("off",)),
    f"{_HEALTH}.dns_failover.minimum_healthy_targets.percentage": (range(1, 100 + 1), ("off",)),
    f"{_HEALTH}.unhealthy_state_routing.minimum_healthy_targets.count": (range(1, 1000 + 1), ()),
    f"{_HEALTH}.unhealthy_state_routing.minimum_healthy_targets.percentage": (
        range(1, 100 + 1),
        ("off",),
    ),
}
"""The range of each, and the words that are valid beside it."""
_OTHER_TYPES: Final = (
    "deregistration_delay.connection_termination.enabled",
    "lambda.multi_value_headers.enabled",
    "preserve_client_ip.enabled",
    "proxy_protocol_v2.enabled",
    "send_tcp_reset.on_deregistration.enabled",
    "send_tcp_reset.on_unhealthy.enabled",
    "target_failover.on_deregistration",
    "target_failover.on_unhealthy",
    "target_health_state.unhealthy.connection_termination.enabled",
    "target_health_state.unhealthy.draining_interval_seconds",
)
"""Attributes of groups that no Application Load Balancer with instances or addresses has."""

_BALANCER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "access_logs.s3.enabled": _BOOLEAN,
    "connection_logs.s3.enabled": _BOOLEAN,
    "deletion_protection.enabled": _BOOLEAN,
    "health_check_logs.s3.enabled": _BOOLEAN,
    "ipv6.deny_all_igw_traffic": _BOOLEAN,
    "load_balancing.cross_zone.enabled": ("true",),
    "routing.http.desync_mitigation_mode": ("monitor", "defensive", "strictest"),
    "routing.http.drop_invalid_header_fields.enabled": _BOOLEAN,
    "routing.http.preserve_host_header.enabled": _BOOLEAN,
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": _BOOLEAN,
    "routing.http.xff_client_port.enabled": _BOOLEAN,
    "routing.http.xff_header_processing.mode": ("append", "preserve", "remove"),
    "routing.http2.enabled": _BOOLEAN,
    "waf.fail_open.enabled": _BOOLEAN,
    "zonal_shift.config.enabled": _BOOLEAN,
}
_BALANCER_NUMBERS: Final[dict[str, tuple[range, tuple[str, ...]]]] = {
    "client_keep_alive.seconds": (range(60, _WEEK + 1), ()),
    "idle_timeout.timeout_seconds": (range(1, 4000 + 1), ()),
}
_BALANCER_NAMES: Final = (
    "access_logs.s3.bucket",
    "access_logs.s3.prefix",
    "connection_logs.s3.bucket",
    "connection_logs.s3.prefix",
    "health_check_logs.s3.bucket",
    "health_check_logs.s3.prefix",
)


_GROUP_DEFAULTS: Final = {
    _DELAY: "300",
    "load_balancing.algorithm.anomaly_mitigation": "off",
    _ALGORITHM: "round_robin",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    _SLOW_START: "0",
    _COOKIE_NAME: "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.enabled": "false",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.type": "lb_cookie",
    f"{_HEALTH}.dns_failover.minimum_healthy_targets.count": "1",
    f"{_HEALTH}.dns_failover.minimum_healthy_targets.percentage": "off",
    f"{_HEALTH}.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    f"{_HEALTH}.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
_BALANCER_DEFAULTS: Final = {
    "access_logs.s3.enabled": "false",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "deletion_protection.enabled": "false",
    "idle_timeout.timeout_seconds": "60",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}


def patch_moto(patches: MotoPatches) -> None:
    """Start with AWS's defaults; accept the longest deregistration delay, which moto refuses."""
    patches.replace(ELBv2Backend, "modify_target_group_attributes", _modify_attributes)
    patches.replace(FakeTargetGroup, "__init__", _make_target_group)
    patches.replace(FakeLoadBalancer, "__init__", _make_load_balancer)


def _make_target_group(moto: Callable[..., Any], group: Any, *args: Any, **settings: Any) -> None:
    moto(group, *args, **settings)
    group.attributes = dict(_GROUP_DEFAULTS)


def _make_load_balancer(
    moto: Callable[..., Any], balancer: Any, *args: Any, **settings: Any
) -> None:
    moto(balancer, *args, **settings)
    balancer.attrs = {**balancer.attrs, **_BALANCER_DEFAULTS}


def check_target_group_attributes(endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: ModifyTargetGroupAttributes; TargetGroupAttribute, for groups behind an ALB."""
    wanted = _wanted(parameters)
    for key, value in wanted.items():
        if key in _OTHER_TYPES:
            raise _conflict("The provided target group attribute is not supported")
        if key not in (*_GROUP_WORDS, *_GROUP_NUMBERS, _COOKIE_NAME):
            raise _invalid(f"Target group attribute key '{key}' is not recognized")
        _check_word(key, value, _GROUP_WORDS)
        _check_number(key, value, _GROUP_NUMBERS)
    if wanted.get(_COOKIE_NAME, "").startswith(_RESERVED_COOKIES):
        raise _invalid(
            f"'{_COOKIE_NAME}' value '{wanted[_COOKIE_NAME]}' cannot start with a reserved prefix: "
            "AWSALB, AWSALBAPP, AWSALBTG"
        )
    _check_together(endpoint_url, parameters["TargetGroupArn"], wanted)
    if wanted.get("stickiness.enabled") == "true":
        stickiness.check_rules_of(endpoint_url, parameters["TargetGroupArn"])


def check_load_balancer_attributes(_endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: ModifyLoadBalancerAttributes; LoadBalancerAttribute, for an ALB."""
    for key, value in _wanted(parameters).items():
        if key not in (*_BALANCER_WORDS, *_BALANCER_NUMBERS, *_BALANCER_NAMES):
            raise _invalid(f"Load balancer attribute key '{key}' is not recognized")
        _check_word(key, value, _BALANCER_WORDS)
        _check_number(key, value, _BALANCER_NUMBERS)


def _wanted(parameters: dict[str, Any]) -> dict[str, str]:
    return {one.get("Key", ""): one.get("Value", "") for one in parameters["Attributes"]}


def _check_word(key: str, value: str, allowed: dict[str, tuple[str, ...]]) -> None:
    if key in allowed and value not in allowed[key]:
        raise _invalid(f"'{key}' value '{value}' must be one of [{', '.join(allowed[key])}]")


def _check_number(key: str, value: str, allowed: dict[str, tuple[range, tuple[str, ...]]]) -> None:
    if key not in allowed:
        return
    numbers, words = allowed[key]
    if value in words or (value.isdecimal() and int(value) in numbers):
        return
    raise _invalid(
        f"'{key}' value '{value}' must be between '{numbers[0]}-{numbers[-1]}' inclusive"
    )


def _check_together(endpoint_url: str, arn: str, wanted: dict[str, str]) -> None:
    """Slow start is for round robin, anomaly mitigation for weighted random."""
    if not {_ALGORITHM, _SLOW_START, "load_balancing.algorithm.anomaly_mitigation"} & set(wanted):
        return
    after = stickiness.read_attributes(endpoint_url, arn) | wanted
    algorithm = after.get(_ALGORITHM, "round_robin")
    if algorithm != "round_robin" and after.get(_SLOW_START, "0") != "0":
        raise _conflict(f"Slow start is not supported with the algorithm '{algorithm}'")
    mitigates = after.get("load_balancing.algorithm.anomaly_mitigation", "off") == "on"
    if mitigates and algorithm != "weighted_random":
        raise _conflict(f"Anomaly mitigation is not supported with the algorithm '{algorithm}'")


def _modify_attributes(
    moto: Callable[..., Any], backend: Any, target_group_arn: str, attributes: dict[str, str]
) -> Any:
    kept = {key: value for key, value in attributes.items() if value != _LONGEST_DELAY}
    changed = moto(backend, target_group_arn, kept)
    backend.target_groups[target_group_arn].attributes.update(attributes)
    return changed


def _invalid(reason: str) -> AwsError:
    return AwsError("ValidationError", reason)


def _conflict(reason: str) -> AwsError:
    return AwsError("InvalidConfigurationRequest", reason)
