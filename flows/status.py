"""
Shows what AWS holds of a split now: stages, weights, targets, images, routing, the lock, and the
drift.

    python -m flows.status CONFIG [--json]

Changes nothing, takes no lock, and can run during a split. Exit code 0, or 2 for bad input. The
JSON object is the common one with `status` "completed", and the further keys of
`flows.plan.status.StatusOutcome`.
"""

import sys
from collections.abc import Sequence

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact

from config.load import load_config
from flows.cli.arguments import command_parser
from flows.cli.run import Run, run_command
from flows.cli.status_table import drift_rows, lock_text, path_rows, print_status, service_rows
from flows.plan.status import StatusOutcome, read_status
from flows.record.outcome import Outcome
from flows.report.tables import markdown_table
from flows.runtime.config_source import ConfigSource
from flows.runtime.run import begin_run
from tasks.aws.task import log

__all__ = ["main", "status"]


@flow(name="status", flow_run_name="status of {config.name}", retries=0, persist_result=False)
async def status(config: ConfigSource) -> StatusOutcome:
    """
    Read what AWS holds of a split, and write it as an artifact; nothing is changed.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.

    Raises:
        BadInput: The config is not valid, or AWS cannot be read.
    """
    config = await begin_run(config)
    found = await read_status(config)
    for row in service_rows(found):
        log().info(
            "%(service)s: %(stage)s, weight %(weight)s, targets: %(targets)s, tasks: %(tasks)s", row
        )
    await acreate_markdown_artifact(markdown=_markdown(found), key=f"{config.name}-status")
    return found


def _markdown(found: StatusOutcome) -> str:
    parts = [
        f"# {found.split} in {found.cluster}",
        lock_text(found.lock),
        markdown_table(service_rows(found)),
        "## Routing",
        markdown_table(path_rows(found)),
        "## Drift",
        markdown_table(drift_rows(found)) or "No drift: AWS matches the config.",
    ]
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; without a flow run, whose start would take ten times as long."""
    parser = command_parser(
        "status",
        "Show what AWS holds of a split now, and its drift from CONFIG.",
        config_required=True,
    )
    arguments = parser.parse_args(argv)

    async def read(_: Run) -> Outcome:
        found = await read_status(load_config(arguments.config))
        if not arguments.json:
            print_status(found)
        return found

    return run_command(arguments, read)


if __name__ == "__main__":
    sys.exit(main())
