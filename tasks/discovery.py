"""What the running monolith tells about its surroundings: listener, network, roles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.split import SplitConfig
from tasks.aws.clients import client
from tasks.aws.credentials import read_account, refusals_explained
from tasks.aws.tags import tag_dict
from tasks.aws.task import aws_task

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
    What else leads to its tasks, beside the target group: requests on those ways are not counted.
    """


@dataclass(frozen=True)
class Discovered:
    """Everything around the services that the split only reads."""

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

    @property
    def load_balancer_dimension(self) -> str:
        """`app/name/id`, as CloudWatch names the load balancer."""
        return self.load_balancer_arn.partition(":loadbalancer/")[2]


def read_monolith(
    aws: AwsConfig, cluster: str, name: str
) -> tuple[Monolith, dict[str, Any], dict[str, Any]]:
    """
    The monolith's service, with ECS's descriptions of it and of its task definition.

    Raises:
        PreflightFailed: There is no such service, or it has no load balancer.

    Source: ECS DescribeServices, DescribeTaskDefinition; ELBv2 DescribeTargetGroups.
    """
    ecs = client(aws, "ecs")
    try:
        answer = ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])
    except ecs.exceptions.ClusterNotFoundException:
        raise PreflightFailed(
            f"cluster: {cluster} does not exist in {aws.region}; check the name, the region and "
            "the account"
        ) from None
    if not answer["services"] or answer["services"][0]["status"] != "ACTIVE":
        raise PreflightFailed(
            f"monolith.service: {name} is not an active service of cluster {cluster}; "
            f"`aws ecs list-services --cluster {cluster}` lists them"
        )
    service: Any = answer["services"][0]
    balancers = [item for item in service.get("loadBalancers", []) if item.get("targetGroupArn")]
    if not balancers:
        raise PreflightFailed(
            f"monolith.service: {name} is behind no load balancer, so there is no traffic to move; "
            "name the service that the listener forwards to"
        )
    definition: Any = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])[
        "taskDefinition"
    ]
    balancer = balancers[0]
    group = _read_group(aws, name, balancer["targetGroupArn"])
    container = next(
        item
        for item in definition["containerDefinitions"]
        if item["name"] == balancer["containerName"]
    )
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
        log_group=container.get("logConfiguration", {}).get("options", {}).get("awslogs-group"),
        tags=tag_dict(service.get("tags", [])),
        other_ways=_other_ways(service, balancer),
    )
    return monolith, service, definition


def _other_ways(service: Any, balancer: Any) -> tuple[str, ...]:
    """Further load balancers, service discovery and Service Connect."""
    balancers = [item for item in service["loadBalancers"] if item != balancer]
    found = [str(item.get("targetGroupArn") or item.get("loadBalancerName")) for item in balancers]
    found += [str(item["registryArn"]) for item in service.get("serviceRegistries", [])]
    connected = [
        item.get("serviceConnectConfiguration") or {} for item in service.get("deployments", [])
    ]
    return (
        *found,
        *(["Service Connect"] if any(item.get("services") for item in connected) else []),
    )


def _read_group(aws: AwsConfig, monolith: str, arn: str) -> Any:
    """The monolith's target group; ECS names it even when somebody has deleted it."""
    elb = client(aws, "elbv2")
    try:
        return elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
    except elb.exceptions.TargetGroupNotFoundException:
        raise PreflightFailed(
            f"monolith.service: target group {arn} of {monolith} does not exist any more; "
            "mend the service before it is split"
        ) from None


@aws_task("look at the surroundings of {config.monolith.service}")
def discover(config: SplitConfig, account_id: str | None = None) -> Discovered:
    """
    Discover what the config leaves out.

    Args:
        config: The split.
        account_id: Account of the credentials; read when None.

    Raises:
        PreflightFailed: Something the split stands on is missing; a line for each, which names the
            config field.

    Source: STS GetCallerIdentity; ECS, ELBv2 and EC2 Describe calls.
    """
    aws = config.aws
    account = account_id or read_account(aws)
    with refusals_explained():
        monolith, service, definition = read_monolith(aws, config.cluster, config.monolith.service)
        network = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        given, role = config.network, config.execution_role_arn
        (listener, balancer), subnets, security_groups, execution_role = _all_of(
            lambda: _find_listener(config, monolith),
            lambda: _given(given.subnets, network.get("subnets"), "network.subnets"),
            lambda: _given(
                given.security_groups, network.get("securityGroups"), "network.security_groups"
            ),
            lambda: _given(role, definition.get("executionRoleArn"), "execution_role_arn"),
        )
    return Discovered(
        account_id=account,
        cluster_arn=service["clusterArn"],
        monolith=monolith,
        load_balancer_arn=balancer["LoadBalancerArn"],
        load_balancer_security_groups=tuple(balancer.get("SecurityGroups", ())),
        listener_arn=listener["ListenerArn"],
        alb_url=config.listener.url
        or f"{listener['Protocol'].lower()}://{balancer['DNSName']}:{listener['Port']}",
        vpc_id=balancer["VpcId"],
        subnets=subnets,
        security_groups=security_groups,
        assign_public_ip=config.network.assign_public_ip
        or network.get("assignPublicIp", "DISABLED"),
        execution_role_arn=execution_role,
    )


def _all_of(*questions: Callable[[], Any]) -> list[Any]:
    """
    The answers to all questions.

    Raises:
        PreflightFailed: With every one that failed.
    """
    answers, findings = [], []
    for question in questions:
        try:
            answers.append(question())
        except PreflightFailed as error:
            findings.append(str(error))
    if findings:
        raise PreflightFailed("\n".join(findings))
    return answers


def _given(configured: Any, discovered: Any, field: str) -> Any:
    """
    The configured value, or the monolith's.

    Raises:
        PreflightFailed: There is neither.
    """
    value = configured or discovered
    if not value:
        raise PreflightFailed(
            f"{field}: is not given, and the monolith's own service has none to go by; add it"
        )
    return tuple(value) if isinstance(value, list) else value


def _find_listener(config: SplitConfig, monolith: Monolith) -> tuple[Any, Any]:
    """The listener with the paths, and its load balancer."""
    elb = client(config.aws, "elbv2")
    wanted = config.listener.load_balancer
    if wanted is None:
        group = elb.describe_target_groups(TargetGroupArns=[monolith.target_group_arn])[
            "TargetGroups"
        ][0]
        arns = sorted(set(group["LoadBalancerArns"]))
        if len(arns) != 1:
            raise PreflightFailed(
                f"listener.load_balancer: target group {monolith.target_group_name} is used by "
                f"{len(arns)} load "
                f"balancers ({', '.join(arns) or 'none'}); name the one to work on"
            )
        balancers = elb.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"]
    else:
        try:
            balancers = (
                elb.describe_load_balancers(LoadBalancerArns=[wanted])
                if wanted.startswith("arn:")
                else elb.describe_load_balancers(Names=[wanted])
            )["LoadBalancers"]
        except elb.exceptions.LoadBalancerNotFoundException:
            raise PreflightFailed(
                f"listener.load_balancer: {wanted} does not exist in {config.aws.region}; "
                "`aws elbv2 describe-load-balancers` lists them"
            ) from None
    balancer = balancers[0]
    if balancer["Type"] != "application":
        raise PreflightFailed(
            f"listener.load_balancer: {balancer['LoadBalancerName']} is a {balancer['Type']} "
            "load balancer; "
            "only an application load balancer can route paths"
        )
    pages = elb.get_paginator("describe_listeners").paginate(
        LoadBalancerArn=balancer["LoadBalancerArn"]
    )
    listeners = [listener for page in pages for listener in page["Listeners"]]
    chosen = [item for item in listeners if config.listener.port in (None, item["Port"])]
    if len(chosen) != 1:
        ports = ", ".join(str(item["Port"]) for item in listeners) or "none"
        raise PreflightFailed(
            f"listener.port: {config.listener.port or 'not given'}, and load balancer "
            f"{balancer['LoadBalancerName']} "
            f"listens on {ports}; name one of them"
        )
    return chosen[0], balancer
