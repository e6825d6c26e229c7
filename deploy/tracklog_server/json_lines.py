"""One JSON log line on stderr without structlog, for the parent process, which stays small."""

import json
import os
from datetime import UTC, datetime
from typing import Literal

EventName = Literal[
    "child_exited",
    "child_killed",
    "child_restarted",
    "child_said",
    "postgres_leftover_stopped",
    "server_ready",
    "server_stopping",
]


def log(event: EventName, **fields: str | float | None) -> None:
    """Write one line; a stderr that is gone loses the line and nothing else."""
    record = {"event": event, "at": datetime.now(UTC).isoformat(), "process": "parent", **fields}
    line = json.dumps(record, separators=(",", ":")) + "\n"
    try:
        os.write(2, line.encode())
    except OSError:
        return
