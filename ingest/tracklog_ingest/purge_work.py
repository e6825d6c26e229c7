"""What is left to do once something was purged: its files' rows, and its points in the log.

All of it can be stopped at any moment and goes on from there.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tracklog_contract import codec
from tracklog_contract.artifact_places import bounds_below
from tracklog_contract.events import RunLogged
from tracklog_contract.purge_events import FREED_PAYLOAD_BYTES_MAX, PointsFreed
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_ingest")
FILES_AT_ONCE: Final = 5_000
PATHS_AT_ONCE: Final = 100
# One step through the log looks at so many entries, and unfolds at most so many bytes, or one entry.
ENTRIES_AT_ONCE: Final = 20_000
BYTES_AT_ONCE: Final = 4 * 2**20


@dataclass(frozen=True)
class Swept:
    """One step through the log: where it came to, of how much, and the points and bytes that were freed."""

    position: int
    until: int
    points: int
    bytes: int


async def doomed_paths(connection: Any) -> AsyncIterator[dict[int, str]]:
    """Paths of what was purged and whose bytes may still be in the store, by position, page by page.

    Each page is to be told `paths_are_gone` once they are.
    """
    after = 0
    while rows := await connection.fetch(SQL["doomed_paths"], after, PATHS_AT_ONCE):
        after = rows[-1]["position"]
        yield {row["position"]: row["path"] for row in rows}


async def paths_are_gone(connection: Any, page: Mapping[int, str]) -> None:
    """Nothing is left in the store below the paths of what was purged at these positions."""
    bounds = list(zip(*map(bounds_below, page.values()), strict=True))
    while await connection.fetchval(SQL["forget_artifacts"], *bounds, FILES_AT_ONCE):
        pass
    await connection.execute(SQL["paths_are_gone"], list(page))


async def recount_storage(connection: Any) -> None:
    """What was taken away counts for no quota of storage any more."""
    async with connection.transaction():
        await connection.fetchval(SQL["take_turn"])
        await connection.execute(SQL["recount_storage"])


async def free_points(connection: Any) -> AsyncIterator[Swept]:
    """Take the points of purged runs out of the log, step by step, each in a transaction of its own."""
    # One that was stopped goes on first, and knows nothing of what was purged since.
    while sweep := await connection.fetchrow(SQL["begin_sweep"]):
        async for swept in _sweep(connection, *sweep):
            yield swept


async def _sweep(connection: Any, until: int, position: int) -> AsyncIterator[Swept]:
    """Go through the log from a position on, for the runs that were purged up to `until`."""
    while position < until:
        window = min(position + ENTRIES_AT_ONCE, until)
        rows = await connection.fetch(SQL["read_purged_entries"], position, window, until, BYTES_AT_ONCE)
        read_bytes = sum(len(row["payload"]) for row in rows)
        position = rows[-1]["position"] if read_bytes >= BYTES_AT_ONCE else window
        freed = [_freed(row) for row in rows]
        async with connection.transaction():
            if freed:
                positions = [row["position"] for row in rows]
                payloads = [_payload(event) for event in freed]
                await connection.execute(
                    SQL["free_entries"], positions, PointsFreed.kind, PointsFreed.version, payloads
                )
            await connection.execute(SQL["advance_sweep"], position)
        yield Swept(position, until, sum(event.points for event in freed), read_bytes)
    async with connection.transaction():
        await connection.execute(SQL["points_are_gone"], until)
        await connection.execute(SQL["end_sweep"])


def _freed(row: Any) -> PointsFreed:
    event = codec.decode(RunLogged.kind, row["version"], row["payload"])
    assert isinstance(event, RunLogged)
    return PointsFreed(len(row["payload"]), event.points.points, len(event.params), len(event.tags))


def _payload(event: PointsFreed) -> bytes:
    payload = codec.encode(event)
    assert len(payload) <= FREED_PAYLOAD_BYTES_MAX
    return payload
