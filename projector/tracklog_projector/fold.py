"""Folds log entries into the views: run events gathered and written set by set, all others one by one."""

import uuid
from collections.abc import Iterable
from typing import Any

from tracklog_contract.access_events import ACCESS_EVENT_TYPES
from tracklog_contract.answers import RUN_NAME_TAG, RUN_STATUS
from tracklog_contract.events import (
    Event,
    ExperimentDeleted,
    ExperimentRestored,
    RunCreated,
    RunDeleted,
    RunLogged,
    RunModelRecorded,
    RunRestored,
    RunTagDeleted,
    RunUpdated,
    StoredEntry,
)
from tracklog_contract.points import PointBlock
from tracklog_contract.purge_events import PURGE_EVENT_TYPES, PointsFreed
from tracklog_contract.quota_events import QUOTA_EVENT_TYPES
from tracklog_projector import fresh
from tracklog_projector.artifact_fold import ArtifactFold
from tracklog_projector.chunks import CHUNK_COLUMNS, cut
from tracklog_projector.columns import Columns, merge_with_latest
from tracklog_projector.model_points import write_model_points
from tracklog_projector.purge_fold import PurgeFold
from tracklog_projector.rare import SQL, fold_rare
from tracklog_projector.trace_fold import TraceFold
from tracklog_projector.usage import Usage

# Who may do what, and how much of it, is no view: it is true at once, and kept where writes are admitted.
NOT_FOLDED = (*ACCESS_EVENT_TYPES, *QUOTA_EVENT_TYPES, PointsFreed)
# What these do depends on the run rows and tags written so far.
BARRIERS = (ExperimentDeleted, ExperimentRestored, RunModelRecorded)


class Fold:
    """One batch of entries on its way into the views, inside the caller's transaction.

    `touched` are the runs whose documents no longer hold; `sweep` says that more runs than these may be.
    `since`: the position before it. `metrics_behind`: are there latest points on their way already.
    `full` says that more entries are likely to wait already.
    `metric_rows` counts the rows of latest points that were written, each of which may have left a dead one;
    `packed_rows` those that are on their way to become such rows (fresh.py).
    """

    def __init__(
        self, connection: Any, since: int, *, metrics_behind: bool = False, full: bool = False
    ) -> None:
        self._connection = connection
        self.full = full
        self._metrics_behind = metrics_behind
        self._gathered = Gathered()
        self._traces = TraceFold()
        self._artifacts = ArtifactFold()
        self._purges = PurgeFold()
        self._usage = Usage()
        self._since = self._position = since
        self.touched: set[uuid.UUID] = set()
        self.sweep = False
        self.metric_rows = 0
        self.packed_rows = 0

    async def fold(self, entries: Iterable[StoredEntry]) -> None:
        """Write everything these entries say. Call once."""
        for entry in entries:
            if self._purges.waiting and not isinstance(entry.event, PURGE_EVENT_TYPES):
                await self._write_all()
            self._position = entry.position
            self._usage.count(entry)
            if entry.run_id is not None:
                self.touched.add(entry.run_id)
            if entry.event is None or isinstance(entry.event, NOT_FOLDED):
                continue
            if self._purges.take(entry, entry.event):
                continue
            if self._traces.take(entry, entry.event) or self._artifacts.take(entry, entry.event):
                continue
            if self._gathered.take(entry, entry.event):
                continue
            if isinstance(entry.event, BARRIERS):
                await self._write_gathered()
            await fold_rare(self._connection, entry, entry.event)
            self.sweep |= isinstance(entry.event, (ExperimentDeleted, ExperimentRestored))
        await self._write_all()
        await self._connection.execute(SQL["forget_documents"], list(self.touched))
        await self._usage.write(self._connection)

    async def _write_all(self) -> None:
        """Write what was gathered, and then take out what was purged after all of it."""
        await self._write_gathered()
        traces, self._traces = self._traces, TraceFold()
        await traces.write(self._connection)
        artifacts, self._artifacts = self._artifacts, ArtifactFold()
        await artifacts.write(self._connection)
        purges, self._purges = self._purges, PurgeFold()
        await purges.write(self._connection)

    async def _write_gathered(self) -> None:
        gathered, self._gathered = self._gathered, Gathered()
        metric_rows, packed_rows = await gathered.write(
            self._connection, self._since, self._position, behind=self._metrics_behind or self.packed_rows > 0
        )
        self.metric_rows += metric_rows
        self.packed_rows += packed_rows


class Gathered:
    """What the run events of a batch come to: the last word on every row, and all points."""

    def __init__(self) -> None:
        self._runs: dict[uuid.UUID, dict[str, Any]] = {}
        self._patches: dict[uuid.UUID, dict[str, Any]] = {}
        self._params: dict[tuple[uuid.UUID, str], str] = {}
        self._tags: dict[tuple[uuid.UUID, str], str | None] = {}
        self._points: dict[uuid.UUID, list[PointBlock]] = {}
        self._model_points: list[tuple[uuid.UUID, RunLogged]] = []
        self._experiments: dict[uuid.UUID, int] = {}

    def take(self, entry: StoredEntry, event: Event) -> bool:
        """Gather a run event; False for any other."""
        run_id = entry.run_id
        if run_id is None:
            return False
        self._experiments[run_id] = entry.experiment_id
        match event:
            case RunLogged():
                self._take_logged(run_id, event)
            case RunCreated():
                self._take_created(run_id, event)
            case RunUpdated():
                self._patch(run_id, status=event.status, end_ms=event.end_ms, name=event.name)
                if event.name:
                    self._tags[run_id, RUN_NAME_TAG] = event.name
            case RunDeleted():
                self._patch(run_id, deleted=True, deleted_ms=event.deleted_ms)
            case RunRestored():
                self._patch(run_id, deleted=False)
                self._row(run_id)["deleted_ms"] = None
            case RunTagDeleted():
                self._tags[run_id, event.key] = None
            case _:
                return False
        return True

    def _take_created(self, run_id: uuid.UUID, event: RunCreated) -> None:
        self._runs[run_id] = {
            "name": event.name,
            "user_id": event.user_id,
            "artifact_uri": event.artifact_uri,
            "status": RUN_STATUS["RUNNING"],
            "start_ms": event.start_ms,
            "end_ms": None,
            "deleted": False,
            "deleted_ms": None,
        }
        self._tags.update(((run_id, key), value) for key, value in event.tags.items())

    def _take_logged(self, run_id: uuid.UUID, event: RunLogged) -> None:
        if event.points.counts:
            self._points.setdefault(run_id, []).append(event.points)
        self._params.update(((run_id, key), value) for key, value in event.params.items())
        self._tags.update(((run_id, key), value) for key, value in event.tags.items())
        if RUN_NAME_TAG in event.tags:
            self._patch(run_id, name=event.tags[RUN_NAME_TAG])
        if event.links:
            self._model_points.append((run_id, event))

    def _patch(self, run_id: uuid.UUID, **changes: Any) -> None:
        changed = ((name, value) for name, value in changes.items() if value is not None)
        self._row(run_id).update(changed)

    def _row(self, run_id: uuid.UUID) -> dict[str, Any]:
        """The run's row where it is new, else what changes of it."""
        row = self._runs.get(run_id)
        return self._patches.setdefault(run_id, {}) if row is None else row

    async def write(self, connection: Any, since: int, position: int, *, behind: bool) -> tuple[int, int]:
        """Write what was gathered up to `position`, in a fold of what follows `since`.

        Args: behind: as of `fresh.write`.
        Returns: as `fresh.write`.
        """
        if self._runs:
            rows = [(run_id, self._experiments[run_id], *row.values()) for run_id, row in self._runs.items()]
            await connection.execute(SQL["insert_runs"], *zip(*rows, strict=True))
        if self._patches:
            names = ("name", "status", "end_ms", "deleted", "deleted_ms")
            rows = [(run_id, *map(row.get, names)) for run_id, row in self._patches.items()]
            await connection.execute(SQL["update_runs"], *zip(*rows, strict=True))
        if self._params:
            params = [
                (run_id, self._experiments[run_id], key, value)
                for (run_id, key), value in self._params.items()
            ]
            await connection.execute(SQL["insert_params"], *zip(*params, strict=True))
        await self._write_tags(connection)
        written = (0, 0)
        if self._points:
            written = await self._write_points(connection, since, position, behind=behind)
        await write_model_points(connection, self._model_points)
        return written

    async def _write_tags(self, connection: Any) -> None:
        rows = [
            (run_id, self._experiments[run_id], key, value)
            for (run_id, key), value in self._tags.items()
            if value is not None
        ]
        if rows:
            await connection.execute(SQL["upsert_tags"], *zip(*rows, strict=True))
        gone = [pair for pair, value in self._tags.items() if value is None]
        if gone:
            await connection.execute(SQL["delete_tags"], *zip(*gone, strict=True))

    async def _write_points(
        self, connection: Any, since: int, position: int, *, behind: bool
    ) -> tuple[int, int]:
        chunks: list[tuple[Any, ...]] = []
        points: dict[uuid.UUID, Columns] = {}
        for run_id, blocks in self._points.items():
            columns, points[run_id] = merge_with_latest(blocks)
            chunks.extend(piece.row(run_id, position, 0) for piece in cut(columns))
        await connection.copy_records_to_table("chunk", records=chunks, columns=CHUNK_COLUMNS)
        return await fresh.write(connection, points, self._experiments, since, position, behind=behind)
