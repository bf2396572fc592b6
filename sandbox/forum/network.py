"""
The network in front of the monolith: VPC, security groups, load balancer, listener, target group,
rule.
"""

from dataclasses import dataclass
from typing import Any, Final

from sandbox.addresses import Addresses
from sandbox.api.internal import REGION, internal_client

__all__ = ["PORT", "Network", "place_network"]

PORT: Final = 3000
"""Port of the forum's containers."""
_LISTENER_PORT: Final = 8080
_ANYWHERE: Final = [{"CidrIp": "0.0.0.0/0"}]


@dataclass(frozen=True)
class Network:
    """What an ECS service needs of it."""

    subnets: list[str]
    security_group: str
    target_group_arn: str
    alb_url: str


def place_network(endpoint_url: str, addresses: Addresses) -> Network:
    """Make it, with a health check that makes targets known to be healthy soon."""
    vpc, subnets = _place_vpc(endpoint_url, addresses)
    public, private = _place_security_groups(endpoint_url, vpc)
    elb = internal_client(endpoint_url, "elbv2")
    balancer = elb.create_load_balancer(
        Name="forum",
        Type="application",
        Scheme="internet-facing",
        Subnets=subnets,
        SecurityGroups=[public],
    )["LoadBalancers"][0]
    group = elb.create_target_group(
        Name="forum-monolith-tg",
        Protocol="HTTP",
        Port=PORT,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckPath="/",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
    )
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=_LISTENER_PORT,
        DefaultActions=forward,
    )["Listeners"][0]["ListenerArn"]
    # The lab's own rule, and its priority.
    elb.create_rule(
        ListenerArn=listener,
        Priority=99,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api*"]}}],
        Actions=forward,
    )
    return Network(subnets, private, group, f"http://{balancer['DNSName']}:{_LISTENER_PORT}")


def _place_vpc(endpoint_url: str, addresses: Addresses) -> tuple[str, list[str]]:
    ec2 = internal_client(endpoint_url, "ec2")
    vpc = ec2.create_vpc(CidrBlock=addresses.vpc)["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][
        0
    ]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for block, zone in zip(addresses.subnets, "ab", strict=True)
    ]
    return vpc, subnets


def _place_security_groups(endpoint_url: str, vpc: str) -> tuple[str, str]:
    """One for the load balancer, open to everybody; one for tasks, open to the load balancer."""
    ec2 = internal_client(endpoint_url, "ec2")

    def create(name: str, description: str, port: int, source: dict[str, Any]) -> str:
        group: str = ec2.create_security_group(GroupName=name, Description=description, VpcId=vpc)[
            "GroupId"
        ]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        return group

    public = create(
        "forum-alb", "Clients to the load balancer", _LISTENER_PORT, {"IpRanges": _ANYWHERE}
    )
    from_public = {"UserIdGroupPairs": [{"GroupId": public}]}
    return public, create("forum-tasks", "Load balancer to the tasks", PORT, from_public)
