"""
What AWS holds of a split now: stages, weights, targets, images, who answers each path, the lock,
and the drift.

    python -m flows.status CONFIG [--json]

Changes nothing, takes no lock, and can be asked while a split runs. Exit code 0, or 2 for bad
input. The JSON object is the common one with `status` "completed", and the further keys of
`flows.plan.status.StatusOutcome`.
"""

import sys
from collections.abc import Sequence

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact

from config.load import load_config
from flows.cli.command import common_parser, exit_code, print_json, run_command, say
from flows.cli.status_table import drift_rows, lock_words, path_rows, print_status, service_rows
from flows.plan.status import StatusOutcome, read_status
from flows.record.events import record_outcome, start_record
from flows.record.outcome import Journal, Outcome
from flows.report.tables import markdown_table
from flows.runtime.config_source import ConfigSource, read_source
from tasks.aws.task import log

__all__ = ["main", "status"]


@flow(name="status", flow_run_name="status of {config.name}", retries=0, persist_result=False)
async def status(config: ConfigSource) -> StatusOutcome:
    """
    Look at a split, and leave what is seen as an artifact; nothing is changed.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.

    Raises:
        BadInput: The config is not valid, or the surroundings cannot be read.
    """
    start_record()
    config = await read_source(config)
    found = await read_status(config)
    for row in service_rows(found):
        log().info(
            "%(service)s: %(stage)s, weight %(weight)s, targets: %(targets)s, tasks: %(tasks)s", row
        )
    await acreate_markdown_artifact(markdown=_markdown(found), key=f"{config.name}-status")
    record_outcome(found)
    return found


def _markdown(found: StatusOutcome) -> str:
    drift = markdown_table(drift_rows(found)) or "Everything is as the config asks for."
    parts = [
        f"# {found.split} in {found.cluster}",
        lock_words(found.lock),
        markdown_table(service_rows(found)),
        "## Who answers",
        markdown_table(path_rows(found)),
        "## Not as the config asks for",
        drift,
    ]
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """
    The command line; it looks without a flow run, which would take ten times as
    long to start.
    """
    parser = common_parser(
        "status",
        "Show what AWS holds of a split now, and what is not as the config asks for.",
        config_required=True,
    )
    arguments = parser.parse_args(argv)

    async def look() -> Outcome:
        return await read_status(load_config(arguments.config))

    found, error = run_command(look, Journal())
    if arguments.json:
        print_json(found)
    elif isinstance(found, StatusOutcome):
        print_status(found)
    else:
        say(str(found.error))
    return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
