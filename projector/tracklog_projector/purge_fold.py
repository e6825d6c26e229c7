"""Folds the events of garbage collection: what is purged leaves the views with all that belongs to it."""

import uuid
from typing import Any

from tracklog_contract.events import Event, StoredEntry
from tracklog_contract.purge_events import ExperimentPurged, LoggedModelPurged, RunPurged
from tracklog_contract.sqlfiles import statements
from tracklog_projector.artifact_fold import remove

SQL = statements("tracklog_projector")


class PurgeFold:
    """Purges that follow one another in the log, inside the caller's transaction."""

    def __init__(self) -> None:
        self._runs: list[uuid.UUID] = []
        self._models: list[str] = []
        self._experiments: list[int] = []
        self._paths: list[str] = []

    @property
    def waiting(self) -> bool:
        """Is there anything to write."""
        return bool(self._runs or self._models or self._experiments)

    def take(self, entry: StoredEntry, event: Event) -> bool:
        """Gather a purge; False for any other event."""
        match event:
            case RunPurged():
                assert entry.run_id is not None
                self._runs.append(entry.run_id)
            case LoggedModelPurged():
                self._models.append(event.model_id)
            case ExperimentPurged():
                self._experiments.append(entry.experiment_id)
            case _:
                return False
        if event.artifact_path:
            self._paths.append(event.artifact_path)
        return True

    async def write(self, connection: Any) -> None:
        """Take out everything that was gathered. Call once, when all before it in the log is written."""
        if self._runs:
            texts = [run_id.hex for run_id in self._runs]
            used = await connection.fetch(SQL["purge_runs"], self._runs, texts)
            await connection.execute(
                SQL["purge_datasets"],
                [row["experiment_id"] for row in used],
                [row["name"] for row in used],
                [row["digest"] for row in used],
            )
        if self._models:
            await connection.execute(SQL["purge_models"], self._models)
        if self._experiments:
            await connection.execute(
                SQL["purge_experiments"], self._experiments, list(map(str, self._experiments))
            )
        for path in self._paths:
            await remove(connection, path)
