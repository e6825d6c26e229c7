"""The read side of artifacts: waits until the views hold what was recorded, then lists from them."""

import contextlib
import uuid
from typing import Any, Final

from tracklog_contract.artifact_places import (
    PATH_START_CHARS,
    ArtifactItem,
    Owner,
    Place,
    bounds_below,
    owner_of,
    path_key,
    places,
)
from tracklog_contract.ids import parse_run_id
from tracklog_contract.locations import below
from tracklog_contract.sqlfiles import statements
from tracklog_projector.artifact_fold import split_path
from tracklog_projector.service import Queries

SQL = statements("tracklog_projector")
# In the order of the parameters of the statement artifact_owners.
KINDS: Final = ("run", "model", "trace", "experiment")


class ArtifactQueries:
    """Reads of artifacts. Every read sees each write that was acknowledged before it began.

    Paths are those of the store, whole, names joined by "/"; "" is the root of everything.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def owner(self, path: str) -> Owner | None:
        """Whom a path belongs to; None for nobody, as above all experiments."""
        wanted: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for place in places(path):
            wanted[place.kind].append(place.subject)
        rows = await self._queries.fetch(
            "artifact_owners",
            [parse_run_id(text) for text in wanted["run"]],
            wanted["model"],
            wanted["trace"],
            [int(text) for text in wanted["experiment"]],
        )
        known = {(row["kind"], row["subject"]): row for row in rows}

        def find(place: Place) -> Owner | None:
            row = known.get((place.kind, place.subject))
            if row is None:
                return None
            location, run_id = row["location"], None
            if place.kind == "run":
                run_id = uuid.UUID(hex=place.subject)
            elif place.kind != "experiment":
                location = below(location, f"{place.kind}s/{place.subject}/artifacts")
            return Owner(row["experiment_id"], location, run_id, row["deleted"])

        return owner_of(path, find)

    async def file(self, path: str) -> ArtifactItem | None:
        """The file at `path`."""
        directory, name = split_path(path)
        async with self._caught_up(path) as connection:
            row = await connection.fetchrow(SQL["get_artifact"], path_key(directory), name)
        return row and ArtifactItem(*row)

    async def entries(self, path: str) -> list[ArtifactItem]:
        """The items of a directory, by name; none when there is no such directory."""
        async with self._caught_up(path) as connection:
            rows = await connection.fetch(SQL["list_artifacts"], path_key(path))
        return [ArtifactItem(*row) for row in rows]

    async def tree(self, path: str, *, after: str, limit: int) -> list[ArtifactItem]:
        """The files below `path` in the order of their UTF-8 bytes, those after `after`, `limit` at most."""
        least, greatest, prefix = bounds_below(path)
        least = max(least, after[:PATH_START_CHARS])
        async with self._caught_up(path) as connection:
            rows = await connection.fetch(SQL["walk_artifacts"], least, greatest, prefix, after, limit)
        return [ArtifactItem(*row) for row in rows]

    @contextlib.asynccontextmanager
    async def _caught_up(self, path: str) -> Any:
        """A connection, once the views hold the last entry about the artifacts of whom `path` belongs to."""
        owner = await self.owner(path)
        experiment_id, run_id = (owner.experiment_id, owner.run_id) if owner else (None, None)
        async with self._queries.caught_up("artifacts_position", experiment_id, run_id) as connection:
            yield connection
