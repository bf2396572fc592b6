"""A listener's routing table, as the Lua that HAProxy loads: see router.lua."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sandbox.elbv2.data_plane.state import Group, Listener, Rule, Target, forward_weights
from sandbox.elbv2.rules import regexes_of

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
    The table by which the router handles every request.

    Args:
        listener: Its listener.
        groups: Target groups by ARN.
        routable: By target group ARN, the targets that get requests.
    """
    table = {
        "idle": int(listener.idle_timeout * 1000),
        "port": listener.port,
        "groups": {
            groups[arn].label: list(_targets(routable.get(arn, ())))
            for arn in sorted(_used_groups(listener) & groups.keys())
        },
        "rules": [_rule(rule, groups) for rule in listener.rules],
    }
    return f"return {_lua(table)}\n"


def _used_groups(listener: Listener) -> set[str]:
    used: set[str] = set()
    for rule in listener.rules:
        used |= forward_weights(rule.action).keys()
    return used


def _targets(targets: Sequence[Target]) -> Iterator[dict[str, Any]]:
    for target in targets:
        if _is_ipv4(target.address):
            yield {"address": target.address, "port": target.port}


def _rule(rule: Rule, groups: Mapping[str, Group]) -> dict[str, Any]:
    conditions = [_condition(item) for item in rule.conditions]
    return {"conditions": conditions, **_action(rule.action, groups)}


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    field = condition["Field"]
    settings = condition.get(_SETTINGS[field]) or {}
    values = list(settings.get("Values") or condition.get("Values") or ())
    regexes = regexes_of(condition)
    match field:
        case "host-header":
            return {"field": "host", "values": _lower(values), "regexes": regexes}
        case "path-pattern":
            return {"field": "path", "values": values, "regexes": regexes}
        case "http-header":
            name = settings["HttpHeaderName"].lower()
            matched = {"values": _lower(values), "regexes": regexes}
            return {"field": "header", "name": name, **matched}
        case "http-request-method":
            return {"field": "method", "values": values}
        case "query-string":
            return {"field": "query", "values": [_query_pair(pair) for pair in values]}
        case _:
            blocks = [_block(value) for value in values if ":" not in value]
            return {"field": "source", "values": blocks}


def _lower(values: list[str]) -> list[str]:
    return [value.lower() for value in values]


def _query_pair(pair: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): text.lower() for key, text in pair.items()}


def _block(cidr: str) -> dict[str, int]:
    network = ipaddress.IPv4Network(cidr, strict=False)
    return {"first": int(network.network_address), "last": int(network.broadcast_address)}


def _action(action: Mapping[str, Any], groups: Mapping[str, Group]) -> dict[str, Any]:
    match action["Type"]:
        case "forward":
            return _forward(action, groups)
        case "fixed-response":
            settings = action["FixedResponseConfig"]
            return _fixed_response(
                int(settings["StatusCode"]),
                settings.get("MessageBody") or "",
                settings.get("ContentType") or "text/plain",
            )
        case "redirect":
            return _redirect(action["RedirectConfig"])
        case other:
            # moto accepts other actions too; an HTTP listener of AWS does not.
            return _fixed_response(500, f"no {other} in a sandbox", "text/plain")


def _forward(action: Mapping[str, Any], groups: Mapping[str, Group]) -> dict[str, Any]:
    weights = {arn: weight for arn, weight in forward_weights(action).items() if arn in groups}
    shares = [{"group": groups[arn].label, "weight": weight} for arn, weight in weights.items()]
    return {"action": "forward", "total": sum(weights.values()), "shares": shares}


def _fixed_response(status: int, body: str, content_type: str) -> dict[str, Any]:
    return {"action": "fixed-response", "status": status, "body": body, "type": content_type}


def _redirect(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "action": "redirect",
        "status": int(str(settings["StatusCode"]).removeprefix("HTTP_")),
        "protocol": settings.get("Protocol") or "#{protocol}",
        "host": settings.get("Host") or "#{host}",
        "port": str(settings.get("Port") or "#{port}"),
        "path": settings.get("Path") or "/#{path}",
        "query": "#{query}" if settings.get("Query") is None else settings["Query"],
    }


def _is_ipv4(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True


def _lua(value: Any) -> str:
    """A Lua literal."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{_lua(key)}]={_lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return '"' + "".join(map(_lua_byte, value.encode())) + '"'
    if isinstance(value, int):
        return str(value)
    return "{" + ",".join(map(_lua, value)) + "}"


def _lua_byte(byte: int) -> str:
    plain = 32 <= byte <= 126 and byte not in b'"\\'
    return chr(byte) if plain else f"\\{byte:03d}"
