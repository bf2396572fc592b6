"""What CreateService, UpdateService and RunTask refuse, with AWS's codes and messages."""

import re
from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client
from sandbox.ecs.model.store import Store
from sandbox.ecs.model.task import Network

__all__ = ["Validator", "invalid"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_UNSUPPORTED: Final = (
    "serviceConnectConfiguration",
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "placementConstraints",
    "placementStrategy",
)
_MOST_SUBNETS, _MOST_GROUPS = 16, 5


def invalid(message: str) -> AwsError:
    """AWS's error for a parameter that is not valid."""
    return AwsError("InvalidParameterException", message)


class Validator:
    """Checks requests; it reads through the served API and changes nothing."""

    def __init__(self, endpoint_url: str, store: Store) -> None:
        self._endpoint_url, self._store = endpoint_url, store
        self._ecs = internal_client(endpoint_url, "ecs")

    def cluster(self, name: str) -> None:
        """
        Refuse a cluster that does not exist.

        Raises:
            AwsError: ClusterNotFoundException.
        """
        with self._store.lock:
            known = self._store.has_services(name)
        if known:
            return
        found = self._ecs.describe_clusters(clusters=[name])["clusters"]
        if not found:
            raise AwsError("ClusterNotFoundException", "Cluster not found.")
        if found[0]["status"] == "INACTIVE":
            raise AwsError("ClusterNotFoundException", "The referenced cluster was inactive.")

    def task_definition(self, name: str | None, launch_type: str) -> dict[str, Any]:
        """
        The task definition, with its tags.

        Raises:
            AwsError: ClientException when it does not exist or is inactive;
                InvalidParameterException when it is not for the launch type.
        """
        if not name:
            raise invalid("Task definition can not be blank.")
        try:
            found = self._ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
        except ClientError as error:
            raise AwsError("ClientException", "TaskDefinition not found.") from error
        definition: dict[str, Any] = {**found["taskDefinition"], "tags": found.get("tags", [])}
        if definition.get("status") != "ACTIVE":
            raise AwsError("ClientException", "TaskDefinition is inactive")
        compatible = (
            definition.get("requiresCompatibilities") or definition.get("compatibilities") or []
        )
        if launch_type == "FARGATE" and compatible and "FARGATE" not in compatible:
            raise invalid("Task definition does not support launch_type FARGATE.")
        return definition

    def network(
        self, definition: dict[str, Any], configuration: dict[str, Any] | None
    ) -> Network | None:
        """
        The network of tasks, with the zones of its subnets; None for other modes than awsvpc.

        Raises:
            AwsError: InvalidParameterException.
        """
        awsvpc = (configuration or {}).get("awsvpcConfiguration")
        if definition.get("networkMode") != "awsvpc":
            if awsvpc:
                raise invalid(
                    "Network Configuration is not valid for the given networkMode of this task "
                    "definition."
                )
            return None
        if not awsvpc:
            raise invalid(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified."
            )
        subnets, groups = awsvpc.get("subnets") or [], awsvpc.get("securityGroups") or []
        _check_lengths(subnets, groups)
        zones = self._read_zones(subnets)
        self._read_groups(groups)
        shown = {"assignPublicIp": "DISABLED", **awsvpc}
        shown.update(subnets=subnets, securityGroups=groups)
        return Network({"awsvpcConfiguration": shown}, zones)

    def load_balancers(
        self, definition: dict[str, Any], load_balancers: list[dict[str, Any]]
    ) -> None:
        """
        Refuse containers that cannot be registered, and groups that no load balancer uses.

        Raises:
            AwsError: InvalidParameterException.
        """
        for one in load_balancers:
            _check_container(definition, one)
            self._check_target_group(definition, one.get("targetGroupArn"))

    def parameters(self, request: dict[str, Any]) -> None:
        """
        Refuse values out of range, and features that the sandbox does not have.

        Raises:
            AwsError: InvalidParameterException, or UnsupportedFeatureException.
        """
        if not _NAME.fullmatch(request.get("serviceName", "x")):
            raise invalid("Invalid service name.")
        if request.get("desiredCount", 0) < 0:
            raise invalid("desiredCount cannot be negative.")
        if request.get("healthCheckGracePeriodSeconds") and request.get("loadBalancers") == []:
            raise invalid(
                "Health check grace period is only valid for services configured to use load "
                "balancers"
            )
        _check_supported(request)
        _check_percents(request.get("deploymentConfiguration") or {})

    def _check_target_group(self, definition: dict[str, Any], group: str | None) -> None:
        if not group:
            raise invalid(
                "targetGroupArn must be specified: Classic Load Balancers are not part of this "
                "sandbox."
            )
        try:
            elbv2 = internal_client(self._endpoint_url, "elbv2")
            found = elbv2.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
        except ClientError as error:
            raise invalid(f"The specified target group does not exist: {group}") from error
        target_type = found.get("TargetType", "instance")
        if definition.get("networkMode") == "awsvpc" and target_type != "ip":
            raise invalid(
                f"The provided target group {group} has target type {target_type}, which is "
                "incompatible with the awsvpc network mode specified in the task definition."
            )
        if not found.get("LoadBalancerArns"):
            raise invalid(
                f"The target group with targetGroupArn {group} does not have an associated load "
                "balancer."
            )

    def _read_zones(self, subnets: list[str]) -> dict[str, str]:
        ec2 = internal_client(self._endpoint_url, "ec2")
        try:
            answer = ec2.describe_subnets(SubnetIds=subnets)
        except ClientError as error:
            raise _unknown("subnet", subnets, error) from error
        zones = {one["SubnetId"]: one["AvailabilityZone"] for one in answer["Subnets"]}
        return {subnet: zones[subnet] for subnet in subnets}

    def _read_groups(self, groups: list[str]) -> None:
        if not groups:
            return
        try:
            internal_client(self._endpoint_url, "ec2").describe_security_groups(GroupIds=groups)
        except ClientError as error:
            raise _unknown("security group", groups, error) from error


def _check_lengths(subnets: list[str], groups: list[str]) -> None:
    if not subnets:
        raise invalid("subnets can not be empty.")
    if len(subnets) > _MOST_SUBNETS:
        raise invalid(f"subnets can have at most {_MOST_SUBNETS} items.")
    if len(groups) > _MOST_GROUPS:
        raise invalid(f"securityGroups can have at most {_MOST_GROUPS} items.")


def _check_container(definition: dict[str, Any], load_balancer: dict[str, Any]) -> None:
    name, port = load_balancer.get("containerName"), load_balancer.get("containerPort")
    containers = {one["name"]: one for one in definition["containerDefinitions"]}
    if not name or port is None:
        raise invalid("containerName and containerPort must be specified for a load balancer.")
    if name not in containers:
        raise invalid(f"The container {name} does not exist in the task definition.")
    mappings = containers[name].get("portMappings", [])
    if port not in [mapping.get("containerPort") for mapping in mappings]:
        raise invalid(f"The container {name} did not have a container port {port} defined.")


def _check_supported(request: dict[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if request.get(name):
            raise _unsupported(name)
    controller = request.get("deploymentController") or {}
    configuration = request.get("deploymentConfiguration") or {}
    _check_value("schedulingStrategy", request.get("schedulingStrategy"), "REPLICA")
    _check_value("deploymentController.type", controller.get("type"), "ECS")
    _check_value("deploymentConfiguration.strategy", configuration.get("strategy"), "ROLLING")


def _check_value(name: str, value: str | None, supported: str) -> None:
    if value not in (None, supported):
        raise _unsupported(f"{name} {value}")


def _check_percents(configuration: dict[str, Any]) -> None:
    least = configuration.get("minimumHealthyPercent", 100)
    most = configuration.get("maximumPercent", 200)
    if least < 0 or most < 0 or most < least:
        raise invalid(
            "maximumPercent must be greater than or equal to minimumHealthyPercent, and neither "
            "negative."
        )
    if least == most == 100:
        raise invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block "
            "deployments."
        )


def _unsupported(what: str) -> AwsError:
    return AwsError(
        "UnsupportedFeatureException", f"{what} is not part of this sandbox; leave it out"
    )


def _unknown(kind: str, ids: list[str], error: ClientError) -> AwsError:
    reason = error.response["Error"]
    return invalid(
        f"Error retrieving {kind} information for [{', '.join(ids)}]: {reason['Message']} "
        f"(ErrorCode: {reason['Code']})"
    )
