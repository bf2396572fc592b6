"""What the config leaves out and AWS has: the running monolith, its listener, network and roles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.split import SplitConfig
from tasks.autoscaling.scaling import Suspension, read_suspension
from tasks.aws.clients import client
from tasks.aws.credentials import read_account, refusals_explained
from tasks.aws.tags import tag_dict
from tasks.aws.task import aws_task
from tasks.elbv2.listener import (
    choose_listener,
    choose_target_group,
    read_listeners,
    read_load_balancer,
)
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
    scaling: Suspension | None = None
    """What of its autoscaling is suspended; None when it has none."""
    other_ways: tuple[str, ...] = ()
    """
    What else sends it requests beside the target group: those requests are not counted.
    """
    deployment_controller: str = "ECS"
    """What deploys it: `ECS`, `CODE_DEPLOY` or `EXTERNAL`."""
    deployment_strategy: str = "ROLLING"
    """How ECS deploys it: `ROLLING`, `BLUE_GREEN`, `LINEAR` or `CANARY`."""
    scheduling_strategy: str = "REPLICA"
    """`REPLICA` or `DAEMON`."""
    managed_by: str = "CUSTOMER"
    """`ECS` for an Express Mode service."""


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
    load_balancer_scheme: str = "internet-facing"
    """`internet-facing` or `internal`."""
    listener_protocol: str = "HTTP"
    """`HTTP` or `HTTPS`."""
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
    aws: AwsConfig, cluster: str, name: str, load_balancer: str | None = None
) -> tuple[Monolith, dict[str, Any], dict[str, Any]]:
    """
    Read the monolith's service, with ECS's descriptions of it and of its task definition.

    Args:
        aws: Where AWS is.
        cluster: Its cluster.
        name: Its name.
        load_balancer: Name or ARN of the load balancer of the split; needed where the service has
            target groups on several.

    Raises:
        PreflightFailed: The service does not exist, or is behind no load balancer, or behind
            several target groups of which it is not known which is meant.

    Source: ECS DescribeServices, DescribeTaskDefinition; ELBv2 DescribeTargetGroups; Application
        Auto Scaling DescribeScalableTargets.
    """
    service = _read_service(aws, cluster, name)
    balancer = _balancer_of(aws, service, name, load_balancer)
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
        scaling=read_suspension(aws, cluster, name),
        other_ways=tuple(_other_ways(service, balancer)),
        deployment_controller=_controller(service),
        deployment_strategy=_strategy(service),
        scheduling_strategy=service.get("schedulingStrategy", "REPLICA"),
        managed_by=service.get("resourceManagementType", "CUSTOMER"),
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
    for service in found["services"]:
        if service["status"] == "ACTIVE":
            return service
        raise PreflightFailed(_why_not_active(cluster, name, service["status"]))
    raise PreflightFailed(
        f"monolith.service: {name} is not an active service of cluster {cluster}; "
        f"`aws ecs list-services --cluster {cluster}` lists them"
    )


def _why_not_active(cluster: str, name: str, status: str) -> str:
    """The finding for a monolith that was deleted: ECS shows it for a while."""
    return (
        f"monolith.service: {name} is not an active service of cluster {cluster}: it is {status}, "
        "since somebody deleted it; create it again with the same name and target group "
        "(`aws ecs create-service`), or set monolith.service to the service that took its place"
    )


def _controller(service: Any) -> str:
    """What deploys the service."""
    controller = service.get("deploymentController") or {}
    return str(controller.get("type", "ECS"))


def _strategy(service: Any) -> str:
    """How ECS deploys the service."""
    configuration = service.get("deploymentConfiguration") or {}
    return str(configuration.get("strategy", "ROLLING"))


def _balancer_of(aws: AwsConfig, service: Any, name: str, load_balancer: str | None) -> Any:
    """The target group of the monolith that the split is about, with its container and port."""
    balancers = service.get("loadBalancers", [])
    groups = [balancer for balancer in balancers if balancer.get("targetGroupArn")]
    if len(groups) == 1:
        return groups[0]
    if groups:
        return choose_target_group(aws, groups, name, load_balancer)
    if _controller(service) == "EXTERNAL":
        raise PreflightFailed(
            f"monolith.service: {name} is deployed by an external controller (deploymentController "
            "EXTERNAL), whose task sets have the target groups; only services that ECS deploys by "
            "rolling updates can be split"
        )
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
        config.aws,
        config.cluster,
        config.monolith.service,
        config.listener.load_balancer,
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
        load_balancer_scheme=balancer.get("Scheme", "internet-facing"),
        listener_protocol=listener["Protocol"],
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
