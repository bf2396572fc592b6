"""
The order in which things happen, and the command lines.

Prefect reads its settings when it is first imported, so those of every run are set here; what the
user has set stays.
"""

import os
from typing import Final

_SETTINGS: Final = {
    # No telemetry.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # A private server runs on SQLite: it starts slowly on a busy machine, and writes task runs one
    # by one, which locks it under parallel subflows, unless they are batched.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
