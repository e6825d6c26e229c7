"""The read side of artifacts: waits until the views hold what was recorded, then lists from them."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
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
        return (await self.owners([path]))[path]

    async def owners(self, paths: Sequence[str]) -> dict[str, Owner | None]:
        """Whom these paths belong to; None for nobody."""
        wanted: dict[str, set[str]] = {kind: set() for kind in KINDS}
        for place in (place for path in paths for place in places(path)):
            wanted[place.kind].add(place.subject)
        rows = await self._queries.fetch(
            "artifact_owners",
            [parse_run_id(text) for text in wanted["run"]],
            list(wanted["model"]),
            list(wanted["trace"]),
            [int(text) for text in wanted["experiment"]],
        )
        known = {(row["kind"], row["subject"]): row for row in rows}
        return {path: owner_of(path, lambda place: _owner(place, known)) for path in paths}

    async def files(self, paths: Sequence[str]) -> list[ArtifactItem]:
        """Those of these files that there are, in any order."""
        if not paths:
            return []
        directories, names = zip(*map(split_path, paths), strict=True)
        async with self._caught_up(paths) as connection:
            rows = await connection.fetch(SQL["get_artifacts"], list(map(path_key, directories)), names)
        return [ArtifactItem(*row) for row in rows]

    async def entries(self, path: str) -> list[ArtifactItem]:
        """The items of a directory, by name; none when there is no such directory."""
        async with self._caught_up([path]) as connection:
            rows = await connection.fetch(SQL["list_artifacts"], path_key(path))
        # A hundred thousand would not fit the memory that the database gives a sort.
        return sorted((ArtifactItem(*row) for row in rows), key=lambda item: item.path)

    async def tree(self, path: str, *, after: str, limit: int) -> list[ArtifactItem]:
        """The files below `path` in the order of their UTF-8 bytes, those after `after`, `limit` at most."""
        least, greatest, prefix = bounds_below(path)
        least = max(least, after[:PATH_START_CHARS])
        async with self._caught_up([path]) as connection:
            rows = await connection.fetch(SQL["walk_artifacts"], least, greatest, prefix, after, limit)
        return [ArtifactItem(*row) for row in rows]

    @contextlib.asynccontextmanager
    async def _caught_up(self, paths: Sequence[str]) -> AsyncIterator[Any]:
        """A connection, once the views hold the last entries about artifacts of these paths' owners."""
        found = set((await self.owners(paths)).values())
        # What is nobody's may hold what is anybody's.
        subjects = [(owner.experiment_id, owner.run_id) for owner in found if owner is not None]
        columns = (None, None) if None in found else zip(*subjects, strict=True)
        async with self._queries.caught_up("artifacts_position", *columns) as connection:
            yield connection


def _owner(place: Place, known: Mapping[tuple[str, str], Any]) -> Owner | None:
    """Whom a place says it is of, if there is such."""
    row = known.get((place.kind, place.subject))
    if row is None:
        return None
    location, run_id = row["location"], None
    if place.kind == "run":
        run_id = uuid.UUID(hex=place.subject)
    elif place.kind != "experiment":
        location = below(location, f"{place.kind}s/{place.subject}/artifacts")
    return Owner(row["experiment_id"], location, run_id, row["deleted"])
