"""The network of the services' tasks: whether it exists, and the load balancer reaches it."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.discovery import Discovered
from tasks.preflight.finding import Finding

__all__ = ["Network", "check_network", "check_ports", "explain_unreachable", "read_network"]

_ANY_PROTOCOL: Final = "-1"


@dataclass(frozen=True)
class _Peers:
    """The other end of a connection: one of its groups in a rule is enough, or all its blocks."""

    groups: frozenset[str]
    blocks: tuple[str, ...]
    """CIDR blocks."""


@dataclass(frozen=True)
class Network:
    """The tasks' network as EC2 and ELBv2 describe it; what does not exist is left out."""

    subnets: Mapping[str, Any]
    """EC2's descriptions of the tasks' subnets by id."""
    security_groups: Mapping[str, Any]
    """Of the tasks' security groups by id."""
    balancer_groups: Mapping[str, Any]
    """Of the load balancer's security groups by id."""
    balancer_subnets: Mapping[str, str]
    """CIDR block of the load balancer's subnets by id."""
    balancer_zones: frozenset[str]
    """Availability zones that are enabled for the load balancer."""

    @property
    def task_peers(self) -> _Peers:
        """The tasks, as the load balancer reaches them."""
        return _Peers(frozenset(self.security_groups), tuple(_blocks(self.subnets).values()))

    @property
    def balancer_peers(self) -> _Peers:
        """The load balancer, as it reaches the tasks."""
        return _Peers(frozenset(self.balancer_groups), tuple(self.balancer_subnets.values()))


def read_network(aws: AwsConfig, discovered: Discovered) -> Network:
    """
    Describe the network.

    Source: EC2 DescribeSubnets, DescribeSecurityGroups; ELBv2 DescribeLoadBalancers.
    """
    elb = client(aws, "elbv2")
    found = elb.describe_load_balancers(LoadBalancerArns=[discovered.load_balancer_arn])
    zones = found["LoadBalancers"][0]["AvailabilityZones"]
    balancer_ids = [zone["SubnetId"] for zone in zones if "SubnetId" in zone]
    subnets = _read_subnets(aws, {*discovered.subnets, *balancer_ids})
    own_groups = discovered.security_groups
    balancer_groups = discovered.load_balancer_security_groups
    groups = _read_security_groups(aws, {*own_groups, *balancer_groups})
    return Network(
        subnets=_only(subnets, discovered.subnets),
        security_groups=_only(groups, own_groups),
        balancer_groups=_only(groups, balancer_groups),
        balancer_subnets=_blocks(_only(subnets, balancer_ids)),
        balancer_zones=frozenset(zone["ZoneName"] for zone in zones),
    )


def _read_subnets(aws: AwsConfig, ids: Iterable[str]) -> dict[str, Any]:
    """EC2's descriptions of the subnets that exist, by id."""
    found = client(aws, "ec2").describe_subnets(Filters=_filter("subnet-id", ids))
    return {subnet["SubnetId"]: subnet for subnet in found["Subnets"]}


def _read_security_groups(aws: AwsConfig, ids: Iterable[str]) -> dict[str, Any]:
    """EC2's descriptions of the security groups that exist, by id."""
    found = client(aws, "ec2").describe_security_groups(Filters=_filter("group-id", ids))
    return {group["GroupId"]: group for group in found["SecurityGroups"]}


def _filter(name: str, values: Iterable[str]) -> list[Any]:
    """
    A filter for EC2.

    It leaves out what does not exist, where a call by id would fail and name only the first.
    """
    return [{"Name": name, "Values": sorted(values)}]


def _only(found: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of the names that were found."""
    return {name: found[name] for name in names if name in found}


def _blocks(subnets: Mapping[str, Any]) -> dict[str, str]:
    """The IPv4 blocks of subnets by id; a subnet for IPv6 alone has none."""
    blocks = {name: subnets[name].get("CidrBlock") for name in subnets}
    return {name: block for name, block in blocks.items() if block}


def check_network(discovered: Discovered, network: Network) -> list[Finding]:
    """Find subnets and security groups that do not exist, or are in a wrong VPC or zone."""
    vpc = discovered.vpc_id
    subnets = _check_places(
        "network.subnets", f"name subnets of {vpc}", discovered.subnets, network.subnets, vpc
    )
    groups = _check_places(
        "network.security_groups",
        f"name security groups of {vpc}",
        discovered.security_groups,
        network.security_groups,
        vpc,
    )
    return [
        *subnets,
        *groups,
        *_check_zones(discovered, network),
        *_check_addresses(network),
    ]


def _check_places(
    field: str, remedy: str, wanted: Sequence[str], found: Mapping[str, Any], vpc: str
) -> Iterator[Finding]:
    """Find what does not exist, or is in another VPC than the load balancer."""
    for name in wanted:
        if name not in found:
            yield Finding(f"{field}: {name} does not exist in this region and account; {remedy}")
            continue
        own_vpc = found[name]["VpcId"]
        if own_vpc != vpc:
            yield Finding(
                f"{field}: {name} is in {own_vpc}, but the load balancer is in {vpc}, and target "
                f"groups reach one VPC only; {remedy}"
            )


def _check_addresses(network: Network) -> Iterator[Finding]:
    """Find subnets without IPv4: the services' target groups take IPv4 addresses only."""
    for name, subnet in network.subnets.items():
        if not subnet.get("CidrBlock"):
            yield Finding(
                f"network.subnets: {name} is for IPv6 alone, and the services' target groups take "
                "IPv4 addresses; name subnets with an IPv4 block"
            )


def _check_zones(discovered: Discovered, network: Network) -> Iterator[Finding]:
    """Find availability zones that are too few, or that the load balancer does not serve."""
    if len(network.subnets) < len(discovered.subnets):
        return  # Missing subnets have a finding already, and their zones are unknown.
    zones = {network.subnets[name]["AvailabilityZone"] for name in network.subnets}
    if len(zones) < 2:
        names = ", ".join(network.subnets)
        yield Finding(
            f"network.subnets: {names} are all in {', '.join(zones)}, so a failure of that zone "
            "would stop the services; name subnets in at least two availability zones"
        )
    served = sorted(network.balancer_zones)
    for name, subnet in network.subnets.items():
        if subnet["VpcId"] == discovered.vpc_id:
            yield from _check_zone(name, subnet["AvailabilityZone"], served)


def _check_zone(name: str, zone: str, served: Sequence[str]) -> Iterator[Finding]:
    """Whether the load balancer serves a subnet's zone."""
    if zone not in served:
        yield Finding(
            f"network.subnets: {name} is in {zone}, which the load balancer does not serve (it "
            f"serves {', '.join(served)}); leave it out, or enable the zone for the load balancer"
        )


def explain_unreachable(url: str, error: str) -> Finding:
    """The finding about a URL that gives no response."""
    remedy = (
        "run where the load balancer can be reached (an internal one only from its own network), "
        "let its security groups and network pass this machine, or set listener.url"
    )
    if "certificate" in error.lower():
        remedy = (
            "set listener.url to a host name that the listener's certificate covers, e.g. "
            "https://shop.example.com, and listener.direct to true where that name leads elsewhere"
        )
    return Finding(f"listener.url: {url} gives no response ({error}); {remedy}")


def check_ports(services: Mapping[str, ServiceConfig], network: Network) -> list[Finding]:
    """
    Find ports that the security groups keep the load balancer from.

    Args:
        services: By place in the config, e.g. `services[0] (users)`.
        network: The network.
    """
    if not network.security_groups:
        return []  # They have a finding already.
    findings: list[Finding] = []
    for where, service in services.items():
        port = service.port
        findings += _check_incoming(where, port, network)
        findings += _check_outgoing(where, port, network)
    return findings


def _check_incoming(where: str, port: int, network: Network) -> Iterator[Finding]:
    """Whether the tasks' security groups let the load balancer in."""
    groups = network.security_groups
    peers = network.balancer_peers
    if _allow(_permissions(groups, "IpPermissions"), port, peers):
        return
    if network.balancer_groups:
        source = f"--source-group {_first(network.balancer_groups)}"
    else:
        source = f"--cidr {_first(peers.blocks)}"
    yield Finding(
        f"{where}.port: {port} cannot be reached by the load balancer: {' and '.join(groups)} "
        "lets nothing of it in; allow it: `aws ec2 authorize-security-group-ingress "
        f"--group-id {_first(groups)} --protocol tcp --port {port} {source}`"
    )


def _check_outgoing(where: str, port: int, network: Network) -> Iterator[Finding]:
    """Whether the load balancer's security groups let it out to the tasks."""
    balancer = network.balancer_groups
    peers = network.task_peers
    if not balancer or not peers.blocks:
        return  # What the load balancer may reach is unknown.
    if _allow(_permissions(balancer, "IpPermissionsEgress"), port, peers):
        return
    yield Finding(
        f"{where}.port: {port} cannot be reached by the load balancer: {' and '.join(balancer)} "
        "lets nothing out to it; allow it: `aws ec2 authorize-security-group-egress "
        f"--group-id {_first(balancer)} --protocol tcp --port {port} "
        f"--source-group {_first(network.security_groups)}`"
    )


def _first(names: Iterable[str]) -> str:
    """The first of some names."""
    return next(iter(names))


def _permissions(groups: Mapping[str, Any], direction: str) -> list[Any]:
    """The rules of security groups, of one direction."""
    permissions: list[Any] = []
    for group in groups.values():
        permissions += group[direction]
    return permissions


def _allow(permissions: Sequence[Any], port: int, peers: _Peers) -> bool:
    """Whether rules of one direction let TCP on the port pass to or from all of the peers."""
    applying = [rule for rule in permissions if _applies_to(rule, port)]
    if any(_names_a_group(rule, peers) for rule in applying):
        return True
    open_to: list[str] = []
    for rule in applying:
        open_to += [item["CidrIp"] for item in rule["IpRanges"]]
    inside = [_is_inside(block, open_to) for block in peers.blocks]
    return bool(inside) and all(inside)


def _applies_to(rule: Any, port: int) -> bool:
    """Whether a rule is about TCP on the port."""
    if rule["IpProtocol"] == _ANY_PROTOCOL:
        return True
    if rule["IpProtocol"] != "tcp":
        return False
    return bool(rule["FromPort"] <= port <= rule["ToPort"])


def _names_a_group(rule: Any, peers: _Peers) -> bool:
    """Whether a rule is about one of the peers' groups."""
    if rule.get("PrefixListIds"):
        return True  # Its addresses are not read, so it is assumed to be right.
    named = {pair["GroupId"] for pair in rule["UserIdGroupPairs"]}
    return not peers.groups.isdisjoint(named)


def _is_inside(block: str, allowed: Iterable[str]) -> bool:
    """Whether a CIDR block is within one of the others."""
    own: Any = ipaddress.ip_network(block)
    return any(own.subnet_of(ipaddress.ip_network(one, strict=False)) for one in allowed)
