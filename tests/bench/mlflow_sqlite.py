"""Whole runs straight into MLflow's SQLite tables: through its API, 20,000 would take it seven minutes."""

import sqlite3
import uuid
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.bench.payloads import RunContent

_RUN = """
insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
    end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
values (?, ?, 'UNKNOWN', '', '', '', 'FINISHED', ?, ?, '', 'active', ?, ?)
"""
_TAG = "insert into tags (run_uuid, key, value) values (?, ?, ?)"
_PARAM = "insert into params (run_uuid, key, value) values (?, ?, ?)"
_POINT = "insert into metrics (run_uuid, key, value, timestamp, step, is_nan) values (?, ?, ?, ?, 0, 0)"
_LATEST = (
    "insert into latest_metrics (run_uuid, key, value, timestamp, step, is_nan) values (?, ?, ?, ?, 0, 0)"
)


def insert_runs(database: Path, experiment_id: str, runs: Iterable[RunContent]) -> None:
    """The rows that MLflow itself writes for these runs, in one transaction.

    Raises: sqlite3.Error, for one when a new version of MLflow has other tables.
    """
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        for run in runs:
            _insert_run(connection, experiment_id, run)


def _insert_run(connection: sqlite3.Connection, experiment_id: str, run: RunContent) -> None:
    run_id = uuid.uuid4().hex
    artifact_uri = f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts"
    connection.execute(_RUN, (run_id, run.name, run.start_ms, run.end_ms, artifact_uri, int(experiment_id)))
    tags = run.tags | {"mlflow.runName": run.name}
    connection.executemany(_TAG, [(run_id, key, value) for key, value in tags.items()])
    connection.executemany(_PARAM, [(run_id, key, value) for key, value in run.params.items()])
    points = [(run_id, key, value, run.end_ms) for key, value in run.metrics.items()]
    connection.executemany(_POINT, points)
    connection.executemany(_LATEST, points)
