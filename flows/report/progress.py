"""Each service's share of its paths' requests, as a progress artifact in the Prefect UI."""

import httpx
from prefect.artifacts import acreate_progress_artifact
from prefect.runtime import flow_run

from tasks.aws.task import log

__all__ = ["show_progress"]


async def show_progress(service: str, weight: int) -> None:
    """
    Show the weight that a service has reached.

    A server that does not answer must not hold up a shift: the artifact is then out of date, and
    the log has a warning.

    Args:
        service: Its name.
        weight: Percent of its paths' requests.
    """
    if flow_run.id is None:
        return
    try:
        await acreate_progress_artifact(
            progress=float(weight),
            key=f"{service}-traffic",
            description=f"Percent of its paths' requests that {service} gets",
        )
    except httpx.HTTPError as error:
        log().warning("the progress artifact of %s was not written: %s", service, error)
