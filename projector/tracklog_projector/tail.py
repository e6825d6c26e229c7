"""Reads the log in order: entries after a position, never skipping one that commits late.

Positions are assigned under the head's row lock, which is kept until commit; so whatever position a reader
sees, all before it are committed and visible.
"""

from typing import Any

from tracklog_contract import codec
from tracklog_contract.events import RunLogged, StoredEntry
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_projector")


async def read_after(
    connection: Any,
    position: int,
    *,
    entries_max: int = 1000,
    bytes_max: int = 2 * 2**20,
    points_max: int = 500_000,
) -> list[StoredEntry]:
    """Entries in log order, strictly after `position`.

    Args: position: 0 for the beginning. entries_max, bytes_max: bounds of the answer, which holds at least
    one entry when there is one. points_max: the entry that takes the points past it is the last; a few
    bytes may unfold to a million points.
    Returns: 0 … entries_max items; empty means "caught up".
    Raises: Corrupt, when an entry's payload cannot be read.
    Source: table tracklog_log.entry, written only by ingest.
    """
    rows = await connection.fetch(SQL["read_entries"], position, entries_max, bytes_max)
    entries: list[StoredEntry] = []
    points = 0
    for row in rows:
        if points > points_max:
            break
        entries.append(_entry(row))
        points += points_of(entries[-1])
    return entries


def points_of(entry: StoredEntry) -> int:
    """How many metric points an entry holds."""
    return entry.event.points.points if isinstance(entry.event, RunLogged) else 0


def _entry(row: Any) -> StoredEntry:
    return StoredEntry(
        position=row["position"],
        recorded_at=row["recorded_at"],
        workspace=row["workspace"],
        experiment_id=row["experiment_id"],
        run_id=row["run_id"],
        principal=row["principal"],
        payload_bytes=len(row["payload"]),
        event=codec.decode(row["kind"], row["version"], row["payload"]),
    )
