"""
The network that the services' tasks run in: whether it is there, and whether the load balancer
reaches them.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.discovery import Discovered
from tasks.preflight.finding import Finding

__all__ = ["Network", "check_network", "check_ports", "read_network"]

_ANY_PROTOCOL: Final = "-1"


@dataclass(frozen=True)
class Network:
    """What EC2 and ELBv2 say about the tasks' network; what does not exist is left out."""

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


def read_network(aws: AwsConfig, discovered: Discovered) -> Network:
    """
    Describe the network.

    Source: EC2 DescribeSubnets, DescribeSecurityGroups; ELBv2 DescribeLoadBalancers.
    """
    ec2 = client(aws, "ec2")
    found = client(aws, "elbv2").describe_load_balancers(
        LoadBalancerArns=[discovered.load_balancer_arn]
    )
    zones = found["LoadBalancers"][0]["AvailabilityZones"]
    balancer_ids = [zone["SubnetId"] for zone in zones if "SubnetId" in zone]
    # A filter leaves out what does not exist; asked by id, EC2 only names the first of it.
    subnet_ids = sorted({*discovered.subnets, *balancer_ids})
    subnets: dict[str, Any] = {
        one["SubnetId"]: one
        for one in ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": subnet_ids}])[
            "Subnets"
        ]
    }
    group_ids = sorted({*discovered.security_groups, *discovered.load_balancer_security_groups})
    groups: dict[str, Any] = {
        one["GroupId"]: one
        for one in ec2.describe_security_groups(
            Filters=[{"Name": "group-id", "Values": group_ids}]
        )["SecurityGroups"]
    }
    return Network(
        subnets={name: subnets[name] for name in discovered.subnets if name in subnets},
        security_groups={
            name: groups[name] for name in discovered.security_groups if name in groups
        },
        balancer_groups={
            name: groups[name]
            for name in discovered.load_balancer_security_groups
            if name in groups
        },
        balancer_subnets={
            name: subnets[name]["CidrBlock"] for name in balancer_ids if name in subnets
        },
        balancer_zones=frozenset(zone["ZoneName"] for zone in zones),
    )


def check_network(discovered: Discovered, network: Network) -> list[Finding]:
    """
    Subnets and security groups that are not there, in another VPC, or in the wrong availability
    zones.
    """
    return [
        *_check_place(discovered, "network.subnets", "subnet", discovered.subnets, network.subnets),
        *_check_place(
            discovered,
            "network.security_groups",
            "security group",
            discovered.security_groups,
            network.security_groups,
        ),
        *_check_zones(discovered, network),
    ]


def _check_place(
    discovered: Discovered, field: str, what: str, wanted: Sequence[str], found: Mapping[str, Any]
) -> list[Finding]:
    missing = [
        Finding(
            f"{field}: {name} does not exist in this region and account; name {what}s of "
            f"{discovered.vpc_id}"
        )
        for name in wanted
        if name not in found
    ]
    astray = [
        Finding(
            f"{field}: {name} is in {one['VpcId']}, but the load balancer is in "
            f"{discovered.vpc_id}, and target groups reach one VPC only; name {what}s of "
            f"{discovered.vpc_id}"
        )
        for name, one in found.items()
        if one["VpcId"] != discovered.vpc_id
    ]
    return missing + astray


def _check_zones(discovered: Discovered, network: Network) -> list[Finding]:
    zones = {name: one["AvailabilityZone"] for name, one in network.subnets.items()}
    if len(zones) < len(discovered.subnets):
        return []  # what is missing is said already, and its zone is not known
    findings = []
    if len(set(zones.values())) < 2:
        findings.append(
            Finding(
                f"network.subnets: {', '.join(zones)} are all in "
                f"{', '.join(set(zones.values()))}, and its failure "
                "would be the services'; name subnets in at least two availability zones"
            )
        )
    findings += [
        Finding(
            f"network.subnets: {name} is in {zone}, which the load balancer does not serve (it "
            "serves "
            f"{', '.join(sorted(network.balancer_zones))}); leave it out, or enable the zone for "
            "the load balancer"
        )
        for name, zone in zones.items()
        if zone not in network.balancer_zones
        and network.subnets[name]["VpcId"] == discovered.vpc_id
    ]
    return findings


def check_ports(services: Mapping[str, ServiceConfig], network: Network) -> list[Finding]:
    """
    Ports that the security groups do not let the load balancer reach.

    Args:
        services: By place in the config, e.g. `services[0] (users)`.
        network: The network.
    """
    groups, balancer = network.security_groups, network.balancer_groups
    if not groups:
        return []  # none exists, which is said already
    cidrs = list(network.balancer_subnets.values())
    targets = [one["CidrBlock"] for one in network.subnets.values()]
    findings = []
    for where, service in services.items():
        incoming = [rule for one in groups.values() for rule in one["IpPermissions"]]
        if not _allow(incoming, service.port, balancer, cidrs):
            source = f"--source-group {next(iter(balancer))}" if balancer else f"--cidr {cidrs[0]}"
            findings.append(
                Finding(
                    f"{where}.port: {service.port} cannot be reached by the load balancer: "
                    f"{' and '.join(groups)} "
                    "lets nothing of it in; allow it: `aws ec2 authorize-security-group-ingress "
                    "--group-id "
                    f"{next(iter(groups))} --protocol tcp --port {service.port} {source}`"
                )
            )
        outgoing = [rule for one in balancer.values() for rule in one["IpPermissionsEgress"]]
        if balancer and targets and not _allow(outgoing, service.port, groups, targets):
            findings.append(
                Finding(
                    f"{where}.port: {service.port} cannot be reached by the load balancer: "
                    f"{' and '.join(balancer)} "
                    "lets nothing out to it; allow it: `aws ec2 authorize-security-group-egress "
                    "--group-id "
                    f"{next(iter(balancer))} --protocol tcp --port {service.port} --source-group "
                    f"{next(iter(groups))}`"
                )
            )
    return findings


def _allow(
    permissions: Iterable[Mapping[str, Any]], port: int, groups: Iterable[str], cidrs: Sequence[str]
) -> bool:
    """
    Whether TCP on the port passes between us and every peer.

    Args:
        permissions: Rules in EC2's words, of one direction.
        port: The port.
        groups: Security groups of the peer; one of them in a rule is enough.
        cidrs: Address blocks of the peer; a rule has to hold all of each.
    """
    open_to: list[Any] = []
    for rule in permissions:
        every = rule["IpProtocol"] == _ANY_PROTOCOL
        if not every and not (
            rule["IpProtocol"] == "tcp" and rule["FromPort"] <= port <= rule["ToPort"]
        ):
            continue
        # What is in a prefix list is not known here, so it is taken to be right.
        if rule.get("PrefixListIds") or {
            pair["GroupId"] for pair in rule["UserIdGroupPairs"]
        } & set(groups):
            return True
        open_to += [ipaddress.ip_network(item["CidrIp"], strict=False) for item in rule["IpRanges"]]
    return bool(cidrs) and all(_inside(ipaddress.ip_network(cidr), open_to) for cidr in cidrs)


def _inside(block: Any, allowed: Iterable[Any]) -> bool:
    return any(block.subnet_of(one) for one in allowed)
