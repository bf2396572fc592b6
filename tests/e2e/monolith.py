"""The forum's monolith as another program: with other environment variables."""

__all__ = ["redeploy_monolith"]

_KEPT = ("family", "executionRoleArn", "networkMode", "requiresCompatibilities", "cpu", "memory")


def redeploy_monolith(sandbox, **environment):
    """Run a new revision of the monolith that also has these environment variables."""
    ecs = sandbox.boto("ecs")
    (service,) = ecs.describe_services(cluster="forum", services=["monolith"])["services"]
    old = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    (container,) = old["containerDefinitions"]
    added = [{"name": name, "value": value} for name, value in environment.items()]
    container["environment"] = [*container.get("environment", []), *added]
    revision = ecs.register_task_definition(
        **{key: old[key] for key in _KEPT if key in old}, containerDefinitions=[container]
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster="forum", service="monolith", taskDefinition=revision)
    ecs.get_waiter("services_stable").wait(
        cluster="forum", services=["monolith"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
