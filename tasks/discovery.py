"""What the config leaves out and AWS has: the running monolith, its listener, network and roles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.split import SplitConfig
from tasks.aws.clients import client
from tasks.aws.credentials import read_account, refusals_explained
from tasks.aws.tags import tag_dict
from tasks.aws.task import aws_task
from tasks.elbv2.listener import choose_listener, read_listeners, read_load_balancer
from tasks.http.client import Route

__all__ = ["Discovered", "Monolith", "discover", "read_monolith"]


@dataclass(frozen=True)
class Monolith:
    """The monolith's ECS service as it runs now."""

    service: str
    service_arn: str
    desired_count: int
    running_count: int
    target_group_arn: str
    target_group_name: str
    container: str
    port: int
    task_definition: str
    log_group: str | None
    tags: dict[str, str]
    other_ways: tuple[str, ...] = ()
    """
    What else sends it requests beside the target group: those requests are not counted.
    """


@dataclass(frozen=True)
class Discovered:
    """The environment of the services, which the split only reads."""

    account_id: str
    cluster_arn: str
    monolith: Monolith
    load_balancer_arn: str
    load_balancer_security_groups: tuple[str, ...]
    listener_arn: str
    alb_url: str
    vpc_id: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    assign_public_ip: str
    execution_role_arn: str
    balancer_url: str = ""
    """The listener's URL at the load balancer's own DNS name."""
    alb_address: str | None = None
    """What the tool's own requests connect to, in place of the host of `alb_url`."""

    def route(self, headers: Mapping[str, str] | None = None) -> Route:
        """
        The route to the listener, as users take it.

        Args:
            headers: Sent with every request.
        """
        return Route(self.alb_url, headers or {}, address=self.alb_address)

    @property
    def load_balancer_dimension(self) -> str:
        """`app/name/id`, as CloudWatch names the load balancer."""
        return self.load_balancer_arn.partition(":loadbalancer/")[2]


def read_monolith(
    aws: AwsConfig, cluster: str, name: str
) -> tuple[Monolith, dict[str, Any], dict[str, Any]]:
    """
    Read the monolith's service, with ECS's descriptions of it and of its task definition.

    Raises:
        PreflightFailed: The service does not exist, or is behind no load balancer.

    Source: ECS DescribeServices, DescribeTaskDefinition; ELBv2 DescribeTargetGroups.
    """
    service = _read_service(aws, cluster, name)
    balancer = _balancer_of(service, name)
    found = client(aws, "ecs").describe_task_definition(taskDefinition=service["taskDefinition"])
    definition: Any = found["taskDefinition"]
    group = _read_target_group(aws, balancer["targetGroupArn"], name)
    monolith = Monolith(
        service=name,
        service_arn=service["serviceArn"],
        desired_count=service["desiredCount"],
        running_count=service["runningCount"],
        target_group_arn=balancer["targetGroupArn"],
        target_group_name=group["TargetGroupName"],
        container=balancer["containerName"],
        port=balancer["containerPort"],
        task_definition=service["taskDefinition"],
        log_group=_log_group(definition, balancer["containerName"]),
        tags=tag_dict(service.get("tags", [])),
        other_ways=tuple(_other_ways(service, balancer)),
    )
    return monolith, service, definition


def _read_service(aws: AwsConfig, cluster: str, name: str) -> Any:
    """ECS's description of the monolith's service."""
    ecs = client(aws, "ecs")
    try:
        found = ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])
    except ecs.exceptions.ClusterNotFoundException:
        raise PreflightFailed(
            f"cluster: {cluster} does not exist in {aws.region}; check the name, the region and "
            "the account"
        ) from None
    active = [service for service in found["services"] if service["status"] == "ACTIVE"]
    if not active:
        raise PreflightFailed(
            f"monolith.service: {name} is not an active service of cluster {cluster}; "
            f"`aws ecs list-services --cluster {cluster}` lists them"
        )
    return active[0]


def _balancer_of(service: Any, name: str) -> Any:
    """The first target group of the monolith, with its container and port."""
    for balancer in service.get("loadBalancers", []):
        if balancer.get("targetGroupArn"):
            return balancer
    raise PreflightFailed(
        f"monolith.service: {name} is behind no load balancer, so there is no traffic to move; "
        "name the service that the listener forwards to"
    )


def _read_target_group(aws: AwsConfig, arn: str, monolith: str) -> Any:
    """The monolith's target group; ECS names it even after it was deleted."""
    elb = client(aws, "elbv2")
    try:
        return elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
    except elb.exceptions.TargetGroupNotFoundException:
        raise PreflightFailed(
            f"monolith.service: target group {arn} of {monolith} does not exist any more; fix the "
            "service before it is split"
        ) from None


def _log_group(definition: Any, name: str) -> str | None:
    """The log group of a container, if it has one."""
    options: dict[str, str] = {}
    containers = definition["containerDefinitions"]
    for container in containers:
        if container["name"] == name:
            configuration = container.get("logConfiguration", {})
            options = configuration.get("options", {})
    return options.get("awslogs-group")


def _other_ways(service: Any, balancer: Any) -> Iterator[str]:
    """Further load balancers, service discovery and Service Connect."""
    for other in service["loadBalancers"]:
        if other != balancer:
            yield other.get("targetGroupArn") or other.get("loadBalancerName")
    for registry in service.get("serviceRegistries", []):
        yield registry["registryArn"]
    if any(map(_uses_service_connect, service.get("deployments", []))):
        yield "Service Connect"


def _uses_service_connect(deployment: Any) -> bool:
    """Whether other services reach a deployment by Service Connect."""
    config = deployment.get("serviceConnectConfiguration") or {}
    services = config.get("services")
    return bool(services)


@aws_task("discover the environment of {config.monolith.service}")
def discover(config: SplitConfig, account_id: str | None = None) -> Discovered:
    """
    Discover what the config leaves out.

    Args:
        config: The split.
        account_id: Account of the credentials, when `read_account` has read and checked it already.

    Raises:
        PreflightFailed: Something that the split needs is missing; one line for each, with its
            config field.

    Source: STS GetCallerIdentity; ECS, ELBv2 and EC2 Describe calls.
    """
    account = account_id or read_account(config.aws)
    with refusals_explained():
        return _discover(config, account)


def _discover(config: SplitConfig, account: str) -> Discovered:
    """Discover the environment with credentials of a known account."""
    monolith, service, definition = read_monolith(
        config.aws, config.cluster, config.monolith.service
    )
    network = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    (listener, balancer), subnets, security_groups, execution_role = _all_of(
        lambda: _find_listener(config, monolith),
        lambda: _subnets(config, network),
        lambda: _security_groups(config, network),
        lambda: _execution_role(config, definition),
    )
    return Discovered(
        account_id=account,
        cluster_arn=service["clusterArn"],
        monolith=monolith,
        load_balancer_arn=balancer["LoadBalancerArn"],
        load_balancer_security_groups=tuple(balancer.get("SecurityGroups", ())),
        listener_arn=listener["ListenerArn"],
        alb_url=config.listener.url or _url(listener, balancer),
        vpc_id=balancer["VpcId"],
        subnets=subnets,
        security_groups=security_groups,
        assign_public_ip=_assign_public_ip(config, network),
        execution_role_arn=execution_role,
        balancer_url=_url(listener, balancer),
        alb_address=balancer["DNSName"] if config.listener.direct else None,
    )


def _all_of(*readers: Callable[[], Any]) -> list[Any]:
    """
    Call all readers.

    Raises:
        PreflightFailed: With the findings of every one that failed.
    """
    found = []
    findings = []
    for reader in readers:
        try:
            found.append(reader())
        except PreflightFailed as error:
            findings.append(str(error))
    if findings:
        raise PreflightFailed("\n".join(findings))
    return found


def _find_listener(config: SplitConfig, monolith: Monolith) -> tuple[Any, Any]:
    """The listener with the paths, and its load balancer."""
    balancer = read_load_balancer(
        config.aws,
        config.listener.load_balancer,
        monolith.target_group_arn,
    )
    listeners = read_listeners(config.aws, balancer["LoadBalancerArn"])
    listener = choose_listener(config.listener, balancer, listeners)
    return listener, balancer


def _url(listener: Any, balancer: Any) -> str:
    """The load balancer's own URL of a listener."""
    scheme = listener["Protocol"].lower()
    return f"{scheme}://{balancer['DNSName']}:{listener['Port']}"


def _subnets(config: SplitConfig, network: Any) -> tuple[str, ...]:
    """The configured subnets, or the monolith's."""
    found = config.network.subnets or network.get("subnets")
    return tuple(_required("network.subnets", found))


def _security_groups(config: SplitConfig, network: Any) -> tuple[str, ...]:
    """The configured security groups, or the monolith's."""
    found = config.network.security_groups or network.get("securityGroups")
    return tuple(_required("network.security_groups", found))


def _execution_role(config: SplitConfig, definition: Any) -> str:
    """The configured execution role, or the monolith's."""
    found = config.execution_role_arn or definition.get("executionRoleArn")
    return str(_required("execution_role_arn", found))


def _required(field: str, value: Any) -> Any:
    """The value, unless there is none."""
    if value:
        return value
    raise PreflightFailed(f"{field}: is not given, and the monolith's own service has none; add it")


def _assign_public_ip(config: SplitConfig, network: Any) -> str:
    """Whether tasks get a public address, as configured or as the monolith's."""
    return config.network.assign_public_ip or network.get("assignPublicIp", "DISABLED")
