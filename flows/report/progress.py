"""Each service's share of its paths' requests, as a progress artifact in the Prefect UI."""

import httpx
from prefect.artifacts import acreate_progress_artifact
from prefect.runtime import flow_run

from tasks.aws.task import log

__all__ = ["show_progress"]


async def show_progress(service: str, weight: int) -> None:
    """
    Show the weight that a service has reached.

    A server that does not answer must not hold up a shift: then the picture is old, and the log
    says so.

    Args:
        service: Its name.
        weight: Percent of its paths' requests.
    """
    if flow_run.id is None:
        return
    words = f"Percent of its paths' requests that {service} gets"
    try:
        await acreate_progress_artifact(
            progress=float(weight), key=f"{service}-traffic", description=words
        )
    except httpx.HTTPError as error:
        log().warning("the progress artifact of %s was not written: %s", service, error)
