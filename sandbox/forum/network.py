"""The network in front of the monolith: from the VPC to the load balancer's rule."""

from dataclasses import dataclass
from typing import Any, Final

from sandbox.addresses import Addresses
from sandbox.api.internal import REGION, internal_client

__all__ = ["PORT", "Network", "place_network"]

PORT: Final = 3000
"""Port of the forum's containers."""
_LISTENER_PORT: Final = 8080


@dataclass(frozen=True)
class Network:
    """What an ECS service uses of it."""

    subnets: list[str]
    security_group: str
    target_group_arn: str
    alb_url: str


def place_network(endpoint_url: str, addresses: Addresses) -> Network:
    """Create it."""
    vpc, subnets = _place_vpc(endpoint_url, addresses)
    public, private = _place_security_groups(endpoint_url, vpc)
    elb = internal_client(endpoint_url, "elbv2")
    group = _place_target_group(elb, vpc)
    balancer = elb.create_load_balancer(
        Name="forum",
        Type="application",
        Scheme="internet-facing",
        Subnets=subnets,
        SecurityGroups=[public],
    )["LoadBalancers"][0]
    _place_listener(elb, balancer["LoadBalancerArn"], group)
    return Network(subnets, private, group, f"http://{balancer['DNSName']}:{_LISTENER_PORT}")


def _place_target_group(elb: Any, vpc: str) -> str:
    """A target group with frequent health checks; returns its ARN."""
    arn: str = elb.create_target_group(
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
        TargetGroupArn=arn,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
    )
    return arn


def _place_listener(elb: Any, load_balancer: str, group: str) -> None:
    """A listener whose default action and one rule forward to the group."""
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    listener = elb.create_listener(
        LoadBalancerArn=load_balancer,
        Protocol="HTTP",
        Port=_LISTENER_PORT,
        DefaultActions=forward,
    )["Listeners"][0]["ListenerArn"]
    # As in the lab that this project automates: its path pattern and its priority.
    elb.create_rule(
        ListenerArn=listener,
        Priority=99,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api*"]}}],
        Actions=forward,
    )


def _place_vpc(endpoint_url: str, addresses: Addresses) -> tuple[str, list[str]]:
    ec2 = internal_client(endpoint_url, "ec2")
    vpc = ec2.create_vpc(CidrBlock=addresses.vpc)["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    subnets = []
    for block, zone in zip(addresses.subnets, ("a", "b"), strict=True):
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"{REGION}{zone}")
        subnets.append(made["Subnet"]["SubnetId"])
    return vpc, subnets


def _place_security_groups(endpoint_url: str, vpc: str) -> tuple[str, str]:
    """The load balancer's, open to all clients, and the tasks', open to the load balancer."""
    ec2 = internal_client(endpoint_url, "ec2")

    def create(name: str, description: str, port: int, source: dict[str, Any]) -> str:
        made = ec2.create_security_group(GroupName=name, Description=description, VpcId=vpc)
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}
        ec2.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[rule])
        return str(made["GroupId"])

    anywhere = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    public = create("forum-alb", "Clients to the load balancer", _LISTENER_PORT, anywhere)
    from_public = {"UserIdGroupPairs": [{"GroupId": public}]}
    private = create("forum-tasks", "Load balancer to the tasks", PORT, from_public)
    return public, private
