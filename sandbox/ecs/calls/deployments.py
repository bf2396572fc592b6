"""The API actions on service deployments."""

from typing import Any

from sandbox.api.errors import AwsError
from sandbox.ecs.calls.validate import Validator, invalid
from sandbox.ecs.model.deployment import Deployment, breaker_threshold
from sandbox.ecs.model.names import arn, cluster_name
from sandbox.ecs.model.service import Service
from sandbox.ecs.model.store import Store

__all__ = ["DeploymentCalls"]


class DeploymentCalls:
    """Each method takes a request and returns its answer, both as in the API."""

    def __init__(self, store: Store, validator: Validator) -> None:
        self._store, self._validate = store, validator

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS ListServiceDeployments; newest first."""
        cluster = cluster_name(request)
        self._validate.cluster(cluster)
        statuses = request.get("status") or []
        with self._store.lock:
            service = self._store.service(cluster, request["service"])
            if service is None:
                raise AwsError("ServiceNotFoundException", "Service not found.")
            briefs = [_brief(service, one) for one in _listed(service)]
        if statuses:
            briefs = [one for one in briefs if one["status"] in statuses]
        return {"serviceDeployments": briefs}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS DescribeServiceDeployments."""
        wanted = request.get("serviceDeploymentArns", [])
        if not wanted or len(wanted) > 20:
            raise invalid("serviceDeploymentArns must have between 1 and 20 items.")
        found, failures = [], []
        with self._store.lock:
            known = self._known()
            for one in wanted:
                if one in known:
                    found.append(self._full(*known[one]))
                else:
                    failures.append({"arn": one, "reason": "MISSING"})
        return {"serviceDeployments": found, "failures": failures}

    def _known(self) -> dict[str, tuple[Service, Deployment]]:
        known = {}
        for service in self._store.services.values():
            for deployment in _listed(service):
                known[deployment.arn] = service, deployment
        return known

    def _full(self, service: Service, deployment: Deployment) -> dict[str, Any]:
        history = list(service.history)
        older = history[history.index(deployment) + 1 :]
        answer = {
            **_brief(service, deployment),
            "updatedAt": deployment.updated,
            "sourceServiceRevisions": [self._revision(service, one) for one in older[:1]],
            "targetServiceRevision": self._revision(service, deployment),
            "deploymentConfiguration": service.deployment_configuration,
            "deploymentCircuitBreaker": _breaker(service, deployment),
        }
        answer.pop("targetServiceRevisionArn")
        undo = deployment.rolled_back_by
        if undo:
            answer["rollback"] = {
                "reason": "Service deployment rolled back because the circuit breaker threshold "
                "was exceeded.",
                "startedAt": undo.created,
                "serviceRevisionArn": undo.revision_arn,
            }
        return answer

    def _revision(self, service: Service, deployment: Deployment) -> dict[str, Any]:
        desired = service.desired if deployment is service.primary else 0
        return deployment.revision_to_json(desired, self._store.tasks_of(service))


def _breaker(service: Service, deployment: Deployment) -> dict[str, Any]:
    if not service.breaker.get("enable"):
        status = "DISABLED"
    elif deployment.rollout_state == "FAILED":
        status = "TRIGGERED"
    elif deployment.rollout_state == "IN_PROGRESS":
        status = "MONITORING"
    else:
        status = "MONITORING_COMPLETE"
    return {
        "status": status,
        "failureCount": deployment.failed_tasks,
        "threshold": breaker_threshold(service.breaker, service.desired),
    }


def _listed(service: Service) -> list[Deployment]:
    """A rollback belongs to the service deployment that it undoes, and is not listed."""
    return [one for one in service.history if one.rolls_back is None]


def _brief(service: Service, deployment: Deployment) -> dict[str, Any]:
    undo = deployment.rolled_back_by
    finished = undo.finished if undo else deployment.finished
    answer = {
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service.arn,
        "clusterArn": arn("cluster", service.cluster),
        "createdAt": deployment.created,
        "startedAt": deployment.created,
        "finishedAt": finished,
        "targetServiceRevisionArn": deployment.revision_arn,
        "status": _status(service, deployment),
        "statusReason": deployment.rollout_reason if deployment.rollout_state == "FAILED" else None,
    }
    return {name: value for name, value in answer.items() if value is not None}


def _status(service: Service, deployment: Deployment) -> str:
    if deployment.rollout_state == "COMPLETED":
        return "SUCCESSFUL"
    if deployment.rolled_back_by:
        undo = {"COMPLETED": "ROLLBACK_SUCCESSFUL", "FAILED": "ROLLBACK_FAILED"}
        return undo.get(deployment.rolled_back_by.rollout_state, "ROLLBACK_IN_PROGRESS")
    if deployment.rollout_state == "FAILED" or deployment is not service.primary:
        return "STOPPED"
    return "IN_PROGRESS"
