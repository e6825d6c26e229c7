"""What garbage collection may purge: what was deleted long enough ago, found page by page."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from tracklog_contract.artifact_places import root_of
from tracklog_contract.sqlfiles import statements
from tracklog_projector.service import Queries

SQL = statements("tracklog_projector")
PAGE: Final = 500


@dataclass(frozen=True)
class PurgeableRun:
    """A deleted run, the position of its last entry, and how much of everything it has."""

    run_id: uuid.UUID
    position: int
    points: int
    keys: int
    files: int
    bytes: int


@dataclass(frozen=True)
class PurgeableModel:
    """A logged model that is deleted, or in a deleted experiment; `path`: where its files lie, or ""."""

    model_id: str
    position: int
    path: str


@dataclass(frozen=True)
class PurgeableExperiment:
    """A deleted experiment; `path`: what of the store is all its own, "" where it shares a location."""

    experiment_id: int
    location: str
    position: int
    path: str


class Purgeable:
    """Reads of what was deleted up to `until_ms` (ms since 1970), as the views have it."""

    def __init__(self, queries: Queries, until_ms: int) -> None:
        self._queries = queries
        self._until_ms = until_ms

    async def totals(self) -> dict[str, int]:
        """How many runs, points, files, bytes, models, traces and experiments are due."""
        (row,) = await self._queries.fetch("purgeable_totals", self._until_ms)
        return dict(row)

    async def runs(self) -> AsyncIterator[PurgeableRun]:
        """The runs, those first that were deleted first."""
        after = (-1, uuid.UUID(int=0))
        while rows := await self._queries.fetch("purgeable_runs", self._until_ms, *after, PAGE):
            for row in rows:
                after = row["deleted_ms"], row["run_id"]
                yield PurgeableRun(*row[:-1])

    async def models(self) -> AsyncIterator[PurgeableModel]:
        """The logged models, by id."""
        after = ""
        while rows := await self._queries.fetch("purgeable_models", self._until_ms, after, PAGE):
            for row in rows:
                after = row["model_id"]
                yield PurgeableModel(after, row["last_position"], root_of(row["artifact_uri"]) or "")

    async def experiments(self) -> AsyncIterator[PurgeableExperiment]:
        """The experiments, by id."""
        after = -1
        while rows := await self._queries.fetch("purgeable_experiments", self._until_ms, after, PAGE):
            for row in rows:
                after = row["experiment_id"]
                yield _experiment(row)

    async def experiment(self, experiment_id: int) -> PurgeableExperiment | None:
        """The experiment, if it is due and nothing is left in it but files."""
        async with self._queries.caught_up("experiments_position", [experiment_id]) as connection:
            empty = await connection.fetchval(SQL["experiment_is_empty"], experiment_id)
        rows = await self._queries.fetch("purgeable_experiments", self._until_ms, experiment_id - 1, 1)
        if not empty or not rows or rows[0]["experiment_id"] != experiment_id:
            return None
        return _experiment(rows[0])


def _experiment(row: Any) -> PurgeableExperiment:
    experiment_id, location, position = row
    path = str(experiment_id) if root_of(location) == str(experiment_id) else ""
    return PurgeableExperiment(experiment_id, location, position, path)


async def caught_up(queries: Queries) -> None:
    """Wait until the views hold everything that is in the log now."""
    head: Any = (await queries.fetch("head"))[0][0]
    while not await queries.checkpoints.reach(head, timeout_s=60):
        pass
