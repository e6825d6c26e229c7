"""Folds the events of artifacts: what each file and directory is after a batch of entries is written once."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tracklog_contract.artifact_events import (
    ARTIFACT_EVENT_TYPES,
    ArtifactFile,
    ArtifactsRemoved,
    ArtifactsStored,
)
from tracklog_contract.artifact_places import bounds_below, path_key
from tracklog_contract.events import Event, StoredEntry
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_projector")
# What was recorded when, in ms since 1970.
Recorded = tuple[ArtifactFile, int]


class ArtifactFold:
    """The artifact events of one batch of entries, inside the caller's transaction."""

    def __init__(self) -> None:
        self._entries: list[tuple[StoredEntry, Any]] = []

    def take(self, entry: StoredEntry, event: Event) -> bool:
        """Gather an event of artifacts; False for any other."""
        if not isinstance(event, ARTIFACT_EVENT_TYPES):
            return False
        self._entries.append((entry, event))
        return True

    async def write(self, connection: Any) -> None:
        """Write everything that was gathered. Call once, at the end of the batch."""
        files: dict[str, Recorded] = {}
        for entry, event in self._entries:
            match event:
                case ArtifactsStored():
                    recorded_ms = int(entry.recorded_at.timestamp() * 1000)
                    files.update((file.path, (file, recorded_ms)) for file in event.files)
                case ArtifactsRemoved():
                    # What it takes away must be there before.
                    await _store(connection, files)
                    files = {}
                    await remove(connection, event.path)
        await _store(connection, files)


async def _store(connection: Any, files: Mapping[str, Recorded]) -> None:
    if not files:
        return
    rows = await connection.fetch(SQL["get_artifact_sizes"], *zip(*map(_key_and_name, files), strict=True))
    replaced = {row["path"]: row["size_bytes"] for row in rows}
    more: dict[str, list[int]] = {}
    for path, (file, _) in files.items():
        added = (path not in replaced, file.size_bytes - replaced.get(path, 0))
        for directory in directories_above(path):
            sums = more.setdefault(directory, [0, 0])
            sums[0] += added[0]
            sums[1] += added[1]
    written = (
        (*_key_and_name(path), path, file.size_bytes, file.sha256, file.etag, recorded_ms)
        for path, (file, recorded_ms) in files.items()
    )
    await connection.execute(SQL["upsert_artifacts"], *zip(*written, strict=True))
    await _add_to_directories(connection, more.items())


async def remove(connection: Any, path: str) -> None:
    """A file or directory is gone, with all it held."""
    directory, name = split_path(path)
    files, size_bytes = await connection.fetchrow(
        SQL["delete_artifacts"], path_key(directory), name, *bounds_below(path)
    )
    await connection.execute(
        SQL["delete_artifact_directories"], path_key(directory), name, *bounds_below(path)
    )
    above = list(directories_above(path))
    if files and above:
        await _add_to_directories(connection, ((parent, [-files, -size_bytes]) for parent in above))
        await connection.execute(
            SQL["delete_empty_artifact_directories"], *zip(*map(_key_and_name, above), strict=True)
        )


async def _add_to_directories(connection: Any, more: Iterable[tuple[str, list[int]]]) -> None:
    rows = [(*_key_and_name(directory), directory, *sums) for directory, sums in more]
    if rows:
        await connection.execute(SQL["add_to_artifact_directories"], *zip(*rows, strict=True))


def _key_and_name(path: str) -> tuple[Any, str]:
    directory, name = split_path(path)
    return path_key(directory), name


def split_path(path: str) -> tuple[str, str]:
    """The directory that a path lies in, "" for the root of everything, and its name there."""
    directory, _, name = path.rpartition("/")
    return directory, name


def directories_above(path: str) -> Iterator[str]:
    """Every directory on the way to a path, but the root of everything."""
    names = path.split("/")[:-1]
    return itertools.accumulate(names, lambda above, name: f"{above}/{name}")
