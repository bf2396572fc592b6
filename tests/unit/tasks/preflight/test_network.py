"""Whether the load balancer reaches the tasks, by security groups as EC2 describes them."""

from types import SimpleNamespace

import pytest

from config.service import ServiceConfig
from tasks.preflight.network import Network, check_network, check_ports

USERS = ServiceConfig(name="users", path_patterns=("/api/users*",), image="users:1", port=3000)
ANYWHERE = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
FROM_BALANCER = {"UserIdGroupPairs": [{"GroupId": "sg-alb"}]}


def permission(protocol="tcp", first=3000, last=3000, **peers):
    ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, **ports, "IpRanges": [], "UserIdGroupPairs": [], **peers}


EVERYWHERE = permission("-1", **ANYWHERE)


def network(*incoming, outgoing=(EVERYWHERE,)):
    return Network(
        subnets={"subnet-a": {"CidrBlock": "10.0.1.0/24"}},
        security_groups={"sg-tasks": {"IpPermissions": list(incoming)}},
        balancer_groups={"sg-alb": {"IpPermissionsEgress": list(outgoing)}},
        balancer_subnets={"subnet-x": "10.0.8.0/24", "subnet-y": "10.0.9.0/24"},
        balancer_zones=frozenset({"a", "b"}),
    )


def findings(*incoming, **more):
    return [
        finding.text for finding in check_ports({"services[0]": USERS}, network(*incoming, **more))
    ]


def cidrs(*blocks):
    return {"IpRanges": [{"CidrIp": block} for block in blocks]}


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(permission(**FROM_BALANCER), id="from its security group"),
        pytest.param(permission(**ANYWHERE), id="from anywhere"),
        pytest.param(permission(first=1, last=65535, **FROM_BALANCER), id="in a range of ports"),
        pytest.param(permission("-1", **FROM_BALANCER), id="for every protocol"),
        pytest.param(permission(**cidrs("10.0.8.0/23")), id="from a block that holds its subnets"),
        pytest.param(
            permission(**cidrs("10.0.8.0/24", "10.0.9.0/24")), id="from each of its subnets"
        ),
        pytest.param(
            permission(PrefixListIds=[{"PrefixListId": "pl-1"}]),
            id="from a prefix list, which is not read",
        ),
    ],
)
def test_a_rule_that_lets_the_load_balancer_in_is_enough(rule):
    assert findings(rule) == []


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(permission(first=3001, last=4000, **FROM_BALANCER), id="on another port"),
        pytest.param(permission("udp", **FROM_BALANCER), id="for another protocol"),
        pytest.param(
            permission(UserIdGroupPairs=[{"GroupId": "sg-other"}]), id="from another security group"
        ),
        pytest.param(permission(**cidrs("10.0.8.0/24")), id="from one of its subnets only"),
        pytest.param(permission(**cidrs("10.0.8.0/25", "10.0.9.0/24")), id="from half a subnet"),
    ],
)
def test_a_rule_for_something_else_does_not_let_the_load_balancer_in(rule):
    (line,) = findings(rule)
    assert line.startswith(
        "services[0].port: 3000 cannot be reached by the load balancer: sg-tasks lets nothing of "
        "it in"
    )


def test_the_remedy_is_a_command_that_can_be_run():
    (line,) = findings()
    assert "--group-id sg-tasks --protocol tcp --port 3000 --source-group sg-alb`" in line


@pytest.mark.parametrize(
    "rule", [permission(UserIdGroupPairs=[{"GroupId": "sg-tasks"}]), permission(**ANYWHERE)]
)
def test_the_load_balancer_may_be_let_out_to_the_tasks_alone(rule):
    assert findings(permission(**FROM_BALANCER), outgoing=[rule]) == []


def test_a_load_balancer_that_is_not_let_out_is_an_error():
    (line,) = findings(permission(**FROM_BALANCER), outgoing=[])
    assert "sg-alb lets nothing out to it" in line


def test_a_subnet_for_ipv6_alone_is_named():
    subnets = {
        "subnet-a": {"CidrBlock": "10.0.1.0/24", "VpcId": "vpc-1", "AvailabilityZone": "a"},
        "subnet-b": {"Ipv6Native": True, "VpcId": "vpc-1", "AvailabilityZone": "b"},
    }
    found = Network(
        subnets=subnets,
        security_groups={},
        balancer_groups={},
        balancer_subnets={},
        balancer_zones=frozenset({"a", "b"}),
    )
    discovered = SimpleNamespace(vpc_id="vpc-1", subnets=tuple(subnets), security_groups=())
    (finding,) = check_network(discovered, found)
    assert finding.text.startswith("network.subnets: subnet-b is for IPv6 alone")
    assert found.task_peers.blocks == ("10.0.1.0/24",)
