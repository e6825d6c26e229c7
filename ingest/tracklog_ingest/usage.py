"""Tells what runs and experiments have of all that is limited, as admission counts it."""

import uuid
from typing import Any

from tracklog_contract.caller import Caller
from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_contract.limits import Quotas
from tracklog_contract.quotas import EXPERIMENT
from tracklog_ingest.access.quotas import Limit
from tracklog_ingest.artifact_state import ALL_RUNS
from tracklog_ingest.tally import SQL, load_book


async def experiment_of_run(connection: Any, run_id: uuid.UUID) -> int | None:
    """The experiment that a run is in; None, when there is no such run."""
    number: int | None = await connection.fetchval(SQL["get_run_usage"], run_id)
    return number


async def run_usage(connection: Any, server: Quotas, who: Caller, run_id: uuid.UUID) -> list[Limit]:
    """The limits of a run for a caller, each with what is used; `server`: its own limits.

    Raises: Rejected, when there is no such run.
    """
    row = await connection.fetchrow(SQL["get_run_usage"], run_id)
    if row is None:
        raise Rejected(NOT_FOUND, f"Run with id={run_id.hex} not found")
    experiment_id, *_ = row
    return await _limits(connection, server, who, experiment_id, ("run", run_id.hex), row)


async def experiment_usage(connection: Any, server: Quotas, who: Caller, experiment_id: int) -> list[Limit]:
    """The same of an experiment."""
    row = await connection.fetchrow(SQL["get_experiment_usage"], experiment_id, ALL_RUNS)
    if row is None:
        raise Rejected(NOT_FOUND, f"No Experiment with id={experiment_id} exists")
    subject = (EXPERIMENT, str(experiment_id))
    return await _limits(connection, server, who, experiment_id, subject, row)


async def _limits(
    connection: Any, server: Quotas, who: Caller, experiment_id: int, subject: tuple[str, str], row: Any
) -> list[Limit]:
    book = await load_book(connection, 0)
    most = book.of(server, who, experiment_id)
    counts = ((name, used) for name, used in row.items() if name != "experiment_id")
    return [Limit(*subject, name, getattr(most, name), used) for name, used in counts]
