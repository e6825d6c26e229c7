"""`tracklog audit`: who did what when, one line an entry of the log, as it is read."""

import argparse
import datetime as dt
import json
import os
import sys
from typing import Any

from tracklog_projector.audit import AuditLine, begin_of, page
from tracklog_server.access.audit_http import filter_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of an audit."""
    parser.add_argument("--since", metavar="TIME", help="7d, 12h, 2026-01-31 or 2026-01-31T12:00Z")
    parser.add_argument(
        "--principal", metavar="NAME", help="what this user did; '' for operators at the machine"
    )
    parser.add_argument("--experiment", metavar="ID", help="what was done to this experiment")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


async def write(connection: Any, given: argparse.Namespace) -> None:
    """Write the lines that are wanted to stdout.

    Raises: Rejected, when an option is wrong.
    """
    wanted = filter_of(given.since, given.principal, given.experiment)
    after: int | None = await begin_of(connection, wanted.since)
    try:
        while after is not None:
            lines, after = await page(connection, after, wanted)
            for line in lines:
                sys.stdout.write(f"{json.dumps(line.answer()) if given.json else _text(line)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads the lines has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _text(line: AuditLine) -> str:
    """A line for people: columns between tabs. Texts of clients are JSON's, so that none forges a line."""
    return "\t".join(
        (
            line.recorded_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            line.principal or "-",
            line.workspace or "-",
            line.what,
            "-" if line.experiment_id is None else f"experiment {line.experiment_id}",
            f"run {line.run_id.hex}" if line.run_id else "-",
            json.dumps(line.details),
        )
    )
