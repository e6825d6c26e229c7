"""Counts what was written, per run, experiment, principal and workspace."""

from typing import Any

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.artifact_events import ArtifactsStored
from tracklog_contract.events import RunCreated, RunLogged, StoredEntry
from tracklog_contract.purge_events import ExperimentPurged, PointsFreed, RunPurged
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_projector")
# entries, bytes, points, params, tags, runs, artifact files, artifact bytes
Counts = list[int]


class Usage:
    """The counters of one batch of entries, to be added to the table `usage`."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counts] = {}

    def count(self, entry: StoredEntry) -> None:
        """Count one entry under everything it belongs to."""
        points = params = tags = runs = files = file_bytes = 0
        payload_bytes = entry.payload_bytes
        if isinstance(entry.event, RunLogged):
            points, params, tags = entry.event.points.points, len(entry.event.params), len(entry.event.tags)
        elif isinstance(entry.event, PointsFreed):
            # As it was counted when it was there.
            payload_bytes = entry.event.payload_bytes
            points, params, tags = entry.event.points, entry.event.params, entry.event.tags
        elif isinstance(entry.event, RunCreated):
            tags, runs = len(entry.event.tags), 1
        elif isinstance(entry.event, ArtifactsStored):
            files = len(entry.event.files)
            file_bytes = sum(file.size_bytes for file in entry.event.files)
        added = (1, payload_bytes, points, params, tags, runs, files, file_bytes)
        self._add("workspace", entry.workspace, added)
        self._add("principal", entry.principal, added)
        if entry.experiment_id != NO_EXPERIMENT:
            self._add("experiment", str(entry.experiment_id), added)
        if entry.run_id is not None:
            self._add("run", entry.run_id.hex, added)
        self._forget(entry)

    def _forget(self, entry: StoredEntry) -> None:
        """What is gone has no counters of its own; the others keep what it had."""
        if isinstance(entry.event, RunPurged):
            assert entry.run_id is not None
            self._counts.pop(("run", entry.run_id.hex), None)
        elif isinstance(entry.event, ExperimentPurged):
            self._counts.pop(("experiment", str(entry.experiment_id)), None)

    def _add(self, scope: str, subject: str, added: tuple[int, ...]) -> None:
        counts = self._counts.get((scope, subject))
        if counts is None:
            self._counts[scope, subject] = list(added)
        else:
            for number, more in enumerate(added):
                counts[number] += more

    async def write(self, connection: Any) -> None:
        """Add the counters to the table."""
        if self._counts:
            rows = [(*subject, *counts) for subject, counts in self._counts.items()]
            await connection.execute(SQL["add_usage"], *zip(*rows, strict=True))
