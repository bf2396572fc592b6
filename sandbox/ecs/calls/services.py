"""The API actions on ECS services."""

from typing import Any, Final

from sandbox.api.errors import AwsError
from sandbox.ecs.calls.validate import Validator, invalid
from sandbox.ecs.model.deployment import Deployment
from sandbox.ecs.model.names import arn, cluster_name, last_part, page
from sandbox.ecs.model.service import Service
from sandbox.ecs.model.store import Store

__all__ = ["ServiceCalls"]

_REDEPLOYS: Final = ("taskDefinition", "networkConfiguration", "loadBalancers", "platformVersion")
"""Parameters of UpdateService that start a deployment when they change."""
_NOT_KEPT: Final = ("cluster", "service", "forceNewDeployment")
"""Parameters of UpdateService that are not settings of the service."""


class ServiceCalls:
    """Each method takes a request and returns its answer, both as in the API."""

    def __init__(self, store: Store, validator: Validator) -> None:
        self._store, self._validate = store, validator

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS CreateService."""
        cluster, name = cluster_name(request), request.get("serviceName", "")
        self._validate.cluster(cluster)
        self._validate.parameters({"serviceName": "", "loadBalancers": [], **request})
        if "desiredCount" not in request:
            raise invalid("desiredCount must be specified for the REPLICA scheduling strategy.")
        again = self._existing(cluster, name, request)
        if again:
            return again
        deployment = self._read_deployment(cluster, name, request)
        service = Service(
            cluster=cluster,
            name=name,
            desired=request["desiredCount"],
            request=dict(request),
            tags=request.get("tags", []),
        )
        with self._store.lock:
            service.deploy(deployment)
            self._store.services[cluster, name] = service
        return self._answer(service)

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS UpdateService."""
        cluster = cluster_name(request)
        service = self._active(cluster, request["service"])
        self._validate.parameters(request)
        merged = _merge(service.request, request)
        deployment = self._read_deployment(cluster, service.name, merged)
        with self._store.lock:
            service.desired = request.get("desiredCount", service.desired)
            service.request = merged
            if request.get("forceNewDeployment") or _differs(deployment, service.primary, request):
                service.deploy(deployment)
            service.steady = False
        return self._answer(service)

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """
        Begin to delete a service; one that is DRAINING or INACTIVE is returned as it is.

        Source: ECS DeleteService, whose errors have no ServiceNotActiveException; aws-cli #1334 and
        aws-sdk-js #4189 show the response for such a service.
        """
        service = self._known(cluster_name(request), request["service"])
        with self._store.lock:
            if service.status != "ACTIVE":
                return self._answer(service)
            if service.desired > 0 and not request.get("force"):
                raise invalid("The service cannot be stopped while it is scaled above 0.")
            service.desired = 0
            service.status = "DRAINING"
        return self._answer(service)

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS DescribeServices."""
        cluster, names = cluster_name(request), request.get("services", [])
        if not names:
            raise invalid("Services cannot be empty.")
        if len(names) > 10:
            raise invalid("Services can have at most 10 items.")
        self._validate.cluster(cluster)
        tags = "TAGS" in request.get("include", [])
        found, failures = [], []
        with self._store.lock:
            for name in names:
                service = self._store.service(cluster, name)
                if service:
                    found.append(service.to_json(self._store.tasks_of(service), tags=tags))
                else:
                    missing = arn("service", cluster, last_part(name))
                    failures.append({"arn": missing, "reason": "MISSING"})
        return {"services": found, "failures": failures}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS ListServices."""
        cluster = cluster_name(request)
        self._validate.cluster(cluster)
        launch_type = request.get("launchType")
        with self._store.lock:
            arns = sorted(
                one.arn
                for one in self._store.services_in(cluster)
                if one.status != "INACTIVE" and launch_type in (None, one.launch_type)
            )
        return page("serviceArns", arns, request, 10)

    def refuse_cluster_in_use(self, request: dict[str, Any]) -> None:
        """
        Source: ECS DeleteCluster, which moto carries out.

        Raises:
            AwsError: ClusterContainsServicesException, ClusterContainsTasksException.
        """
        cluster = cluster_name(request)
        with self._store.lock:
            if any(one.status != "INACTIVE" for one in self._store.services_in(cluster)):
                raise AwsError(
                    "ClusterContainsServicesException",
                    "The Cluster cannot be deleted while Services are active.",
                )
            if any(task.status != "STOPPED" for task in self._store.tasks_in(cluster)):
                raise AwsError(
                    "ClusterContainsTasksException",
                    "The Cluster cannot be deleted while Tasks are active.",
                )

    def _existing(self, cluster: str, name: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a CreateService that is repeated with the same client token."""
        with self._store.lock:
            service = self._store.service(cluster, name)
            if service is None or service.status == "INACTIVE":
                return None
            if service.status == "DRAINING":
                raise invalid("Unable to Start a service that is still Draining.")
            token = request.get("clientToken")
            if token and token == service.request.get("clientToken"):
                return self._answer(service)
        raise invalid("Creation of service was not idempotent.")

    def _active(self, cluster: str, name: str) -> Service:
        service = self._known(cluster, name)
        with self._store.lock:
            if service.status != "ACTIVE":
                raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
            return service

    def _known(self, cluster: str, name: str) -> Service:
        self._validate.cluster(cluster)
        with self._store.lock:
            service = self._store.service(cluster, name)
            if service is None:
                raise AwsError("ServiceNotFoundException", "Service not found.")
            return service

    def _read_deployment(self, cluster: str, name: str, request: dict[str, Any]) -> Deployment:
        """The deployment of a request, validated."""
        launch_type = request.get("launchType", "FARGATE")
        definition = self._validate.task_definition(request.get("taskDefinition"), launch_type)
        network = self._validate.network(definition, request.get("networkConfiguration"))
        load_balancers = request.get("loadBalancers") or []
        self._validate.load_balancers(definition, load_balancers)
        return Deployment(
            cluster=cluster,
            service=name,
            definition=definition,
            network=network,
            load_balancers=load_balancers,
        )

    def _answer(self, service: Service) -> dict[str, Any]:
        with self._store.lock:
            return {"service": service.to_json(self._store.tasks_of(service), tags=True)}


def _merge(known: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """The CreateService request that would make the updated service."""
    kept = {name: value for name, value in update.items() if name not in _NOT_KEPT}
    merged = {**known, **kept}
    if "deploymentConfiguration" in update:
        before = known.get("deploymentConfiguration") or {}
        merged["deploymentConfiguration"] = {**before, **update["deploymentConfiguration"]}
    return merged


def _differs(deployment: Deployment, primary: Deployment, update: dict[str, Any]) -> bool:
    """Whether an update needs other tasks than the running ones."""
    if not any(name in update for name in _REDEPLOYS):
        return False
    return "platformVersion" in update or _identity(deployment) != _identity(primary)


def _identity(deployment: Deployment) -> tuple[Any, ...]:
    arn = deployment.definition["taskDefinitionArn"]
    return arn, deployment.network, deployment.load_balancers
