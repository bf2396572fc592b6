"""Whether the autoscaling of a service leaves it the tasks that its traffic needs: pure."""

from collections.abc import Iterator, Sequence

from config.service import ServiceConfig
from tasks.autoscaling.scaling import minimum_command
from tasks.gates.capacity import tasks_for
from tasks.preflight.finding import Finding

__all__ = ["check_minimum"]


def check_minimum(
    where: str,
    service: ServiceConfig,
    cluster_arn: str,
    minimum: int | None,
    *,
    steps: Sequence[int],
    dry_run: bool,
) -> Iterator[Finding]:
    """
    Find a minimum of a service's autoscaling with which the capacity gate would fail a step.

    Args:
        where: The service's place in the config, e.g. `services[0]`.
        service: The service.
        cluster_arn: Name or ARN of its cluster.
        minimum: Tasks to which it may be scaled in; None without autoscaling.
        steps: The weights that it still has to get.
        dry_run: Whether its gates fail no step.
    """
    weight = max(steps, default=0)
    if minimum is None or weight == 0:
        return
    needed = tasks_for(service.desired_count, weight)
    if minimum >= needed:
        return
    command = minimum_command(cluster_arn, service.name, needed)
    yield Finding(
        f"{where}.desired_count: {service.desired_count}, and weight {weight}% needs {needed} "
        f"tasks, but the autoscaling of {service.name} may go down to {minimum}; raise its minimum "
        f"with `{command}`, or set a lower desired_count",
        stops=not dry_run,
    )
