"""Whole runs straight into the tables of MLflow and FastTrackML, whose APIs would take an hour."""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import asyncpg

from tests.bench.payloads import RunContent
from tests.bench.servers import Server, sqlite_file

# Table names with the rows for them, each as a value for every column.
Rows = Mapping[str, Sequence[Mapping[str, Any]]]

_RUNS_AT_ONCE = 5_000


def _as_mlflow(_table: str, record: dict[str, Any]) -> dict[str, Any]:
    return record


def _as_fasttrackml(table: str, record: dict[str, Any]) -> dict[str, Any]:
    """MLflow's row with what FastTrackML has besides; context 1 is the one that MLflow's clients log in."""
    if table == "params":
        record["value_str"] = record.pop("value")
    elif table == "metrics":
        record |= {"iter": 1, "context_id": 1}
    elif table == "latest_metrics":
        record |= {"last_iter": 1, "context_id": 1}
    return record


def insert_runs(server: Server, experiment_id: str, runs: Iterable[RunContent]) -> None:
    """The rows that the server itself writes for these runs.

    Raises: sqlite3.Error or asyncpg.PostgresError, for one when a new version has other tables.
    """
    as_there = _as_fasttrackml if server.name.startswith("fasttrackml") else _as_mlflow
    portions = _portions(experiment_id, runs, as_there)
    if server.name == "fasttrackml-postgres":
        assert server.dsn
        asyncio.run(_copy(server.dsn, portions))
        return
    file = sqlite_file(server.name, server.data_dir)
    with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
        for rows in portions:
            for table, records in rows.items():
                columns = list(records[0])
                marks = ", ".join("?" * len(columns))
                connection.executemany(
                    f"insert into {table} ({', '.join(columns)}) values ({marks})",
                    [tuple(record.values()) for record in records],
                )


async def _copy(dsn: str, portions: Iterable[Rows]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for rows in portions:
            for table, records in rows.items():
                values = [tuple(record.values()) for record in records]
                await connection.copy_records_to_table(table, records=values, columns=list(records[0]))
        # What autovacuum would do within a minute.
        await connection.execute("analyze")
    finally:
        await connection.close()


def _portions(
    experiment_id: str, runs: Iterable[RunContent], as_there: Callable[[str, dict[str, Any]], dict[str, Any]]
) -> Iterator[Rows]:
    """The rows of some thousand runs at a time, a run's before those that refer to it."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for number, run in enumerate(runs, 1):
        for table, record in _rows(experiment_id, run):
            rows.setdefault(table, []).append(as_there(table, record))
        if number % _RUNS_AT_ONCE == 0:
            yield rows
            rows = {}
    if rows:
        yield rows


def _rows(experiment_id: str, run: RunContent) -> Iterator[tuple[str, dict[str, Any]]]:
    run_id = uuid.uuid4().hex
    yield (
        "runs",
        {
            "run_uuid": run_id,
            "name": run.name,
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "user_id": "",
            "status": "FINISHED",
            "start_time": run.start_ms,
            "end_time": run.end_ms,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts",
            "experiment_id": int(experiment_id),
        },
    )
    for key, value in (run.tags | {"mlflow.runName": run.name}).items():
        yield "tags", {"run_uuid": run_id, "key": key, "value": value}
    for key, value in run.params.items():
        yield "params", {"run_uuid": run_id, "key": key, "value": value}
    for key, value in run.metrics.items():
        for table in ("metrics", "latest_metrics"):
            told = {"key": key, "value": value, "timestamp": run.end_ms, "step": 0, "is_nan": False}
            yield table, {"run_uuid": run_id, **told}
