"""A listener's routing table, as the Lua that HAProxy loads: see router.lua."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.elbv2.data_plane.state import Group, Listener, Rule, Target, forward_weights

__all__ = ["render_table"]

_SETTINGS: Final = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}


def render_table(
    listener: Listener, groups: Mapping[str, Group], routable: Mapping[str, Sequence[Target]]
) -> str:
    """
    The table in which the router looks every request up.

    Args:
        listener: Whose rules.
        groups: Target groups by ARN.
        routable: By target group ARN, the targets that get requests.
    """
    used = {arn for rule in listener.rules for arn in forward_weights(rule.action)}
    table = {
        "idle": int(listener.idle_timeout * 1000),
        "port": listener.port,
        "groups": {
            groups[arn].label: [
                {"address": target.address, "port": target.port}
                for target in routable.get(arn, ())
                if _is_ipv4(target.address)
            ]
            for arn in sorted(used & groups.keys())
        },
        "rules": [_rule(rule, groups) for rule in listener.rules],
    }
    return f"return {_lua(table)}\n"


def _rule(rule: Rule, groups: Mapping[str, Group]) -> dict[str, Any]:
    return {
        "conditions": [_condition(item) for item in rule.conditions],
        **_action(rule.action, groups),
    }


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    field = condition["Field"]
    settings = condition.get(_SETTINGS[field]) or {}
    values = list(settings.get("Values") or condition.get("Values") or ())
    match field:
        case "host-header":
            return {"field": "host", "values": [value.lower() for value in values]}
        case "path-pattern":
            return {"field": "path", "values": values}
        case "http-header":
            name = settings["HttpHeaderName"].lower()
            return {"field": "header", "name": name, "values": [value.lower() for value in values]}
        case "http-request-method":
            return {"field": "method", "values": values}
        case "query-string":
            pairs = [{key.lower(): text.lower() for key, text in pair.items()} for pair in values]
            return {"field": "query", "values": pairs}
        case _:
            return {
                "field": "source",
                "values": [_block(value) for value in values if ":" not in value],
            }


def _block(cidr: str) -> dict[str, int]:
    network = ipaddress.IPv4Network(cidr, strict=False)
    return {"first": int(network.network_address), "last": int(network.broadcast_address)}


def _action(action: Mapping[str, Any], groups: Mapping[str, Group]) -> dict[str, Any]:
    match action["Type"]:
        case "forward":
            weights = {
                groups[arn].label: weight
                for arn, weight in forward_weights(action).items()
                if arn in groups
            }
            shares = [{"group": label, "weight": weight} for label, weight in weights.items()]
            return {"action": "forward", "total": sum(weights.values()), "shares": shares}
        case "fixed-response":
            settings = action["FixedResponseConfig"]
            return {
                "action": "fixed-response",
                "status": int(settings["StatusCode"]),
                "body": settings.get("MessageBody") or "",
                "type": settings.get("ContentType") or "text/plain",
            }
        case "redirect":
            settings = action["RedirectConfig"]
            return {
                "action": "redirect",
                "status": int(str(settings["StatusCode"]).removeprefix("HTTP_")),
                "protocol": settings.get("Protocol") or "#{protocol}",
                "host": settings.get("Host") or "#{host}",
                "port": str(settings.get("Port") or "#{port}"),
                "path": settings.get("Path") or "/#{path}",
                "query": "#{query}" if settings.get("Query") is None else settings["Query"],
            }
        case other:
            # The control plane takes what moto takes; an HTTP listener of AWS's takes no other
            # action than these.
            return {
                "action": "fixed-response",
                "status": 500,
                "body": f"no {other} in a sandbox",
                "type": "text/plain",
            }


def _is_ipv4(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True


def _lua(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{_lua(key)}]={_lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return (
            '"'
            + "".join(
                f"\\{byte:03d}" if byte < 32 or byte in b'"\\' or byte > 126 else chr(byte)
                for byte in value.encode()
            )
            + '"'
        )
    if isinstance(value, int):
        return str(value)
    return "{" + ",".join(_lua(item) for item in value) + "}"
