"""Merges a run's small chunks into large ones in the background, invisibly to readers.

Every fold leaves one batch of chunks per run at level 0. When BATCHES_PER_LEVEL batches of a level have
gathered, they are merged into one batch of the next level. When a run has been quiet for a while, its batches
are merged from the oldest one on that is not much larger than all that came after it. So a point is rewritten
a logarithmic number of times, and a run has few open chunks, however it is written.
"""

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tracklog_contract.points import PointBlock
from tracklog_contract.sqlfiles import statements
from tracklog_projector.chunks import CHUNK_COLUMNS, cut, unpack
from tracklog_projector.columns import merge

SQL = statements("tracklog_projector")
BATCHES_PER_LEVEL: Final = 16
# A quiet run's older batch is rewritten for the sake of newer ones that hold at least this part of it.
QUIET_RATIO: Final = 8
# Bounds the memory of one merge: wider runs are merged in ranges of keys.
SLICE_POINTS_MAX: Final = 1_000_000


@dataclass(frozen=True)
class OpenChunk:
    """An open chunk's row without its payload."""

    chunk_id: int
    batch: int
    level: int
    first_key: str
    last_key: str
    points: int
    payload_bytes: int


async def open_chunks(connection: Any, run_id: uuid.UUID) -> list[OpenChunk]:
    """The open chunks of a run, oldest batch first."""
    return [OpenChunk(*row) for row in await connection.fetch(SQL["open_chunks"], run_id)]


def due(chunks: list[OpenChunk], *, quiet: bool) -> list[OpenChunk]:
    """The chunks to merge now, of a run's open chunks from the oldest batch on; empty when nothing is due."""
    if quiet:
        return _newest(chunks)
    for level in sorted({chunk.level for chunk in chunks}):
        of_level = [chunk for chunk in chunks if chunk.level == level]
        if len({chunk.batch for chunk in of_level}) >= BATCHES_PER_LEVEL:
            return of_level
    return []


def _newest(chunks: list[OpenChunk]) -> list[OpenChunk]:
    """All from the oldest batch on that is at most QUIET_RATIO times what follows it; none without such."""
    batches = [list(batch) for _, batch in itertools.groupby(chunks, key=lambda chunk: chunk.batch)]
    first = len(batches)
    points_after = 0
    for number in reversed(range(len(batches))):
        points = sum(chunk.points for chunk in batches[number])
        if points <= QUIET_RATIO * points_after:
            first = number
        points_after += points
    return [chunk for batch in batches[first:] for chunk in batch]


async def merged_rows(connection: Any, run_id: uuid.UUID, chunks: list[OpenChunk]) -> list[tuple[Any, ...]]:
    """The rows that take the place of `chunks`: the same points, sorted, each once, in larger pieces."""
    level = max(chunk.level for chunk in chunks) + 1
    batch = min(chunk.batch for chunk in chunks)
    rows: list[tuple[Any, ...]] = []
    for low, high, overlapping in slices(chunks):
        payloads = await connection.fetch(
            SQL["chunk_payloads"], run_id, [chunk.chunk_id for chunk in overlapping]
        )
        blocks: list[PointBlock] = [unpack(row["payload"]).between(low, high).block() for row in payloads]
        rows.extend(piece.row(run_id, batch, level) for piece in cut(merge(blocks)))
    return rows


def slices(chunks: list[OpenChunk]) -> Iterator[tuple[str, str | None, list[OpenChunk]]]:
    """Ranges of keys [low, high) that cover `chunks`, with the chunks that overlap each, oldest batch first.

    A range starts anew once the chunks that begin in it hold SLICE_POINTS_MAX points.
    """
    bounds: list[str] = []
    points = SLICE_POINTS_MAX
    for chunk in sorted(chunks, key=lambda chunk: chunk.first_key):
        if points >= SLICE_POINTS_MAX and (not bounds or chunk.first_key > bounds[-1]):
            bounds.append(chunk.first_key)
            points = 0
        points += chunk.points
    for low, high in itertools.zip_longest(bounds, bounds[1:]):
        yield (
            low,
            high,
            [chunk for chunk in chunks if chunk.last_key >= low and (high is None or chunk.first_key < high)],
        )


async def compact(connection: Any, run_id: uuid.UUID, *, quiet: bool) -> int:
    """Merge what is due of a run, inside the caller's turn at the views.

    Returns: bytes of the payloads that were replaced: dead, until a vacuum gives their room back.
    """
    dead_bytes = 0
    while chosen := due(await open_chunks(connection, run_id), quiet=quiet):
        rows = await merged_rows(connection, run_id, chosen)
        await connection.execute(SQL["delete_chunks"], run_id, [chunk.chunk_id for chunk in chosen])
        await connection.copy_records_to_table("chunk", records=rows, columns=CHUNK_COLUMNS)
        dead_bytes += sum(chunk.payload_bytes for chunk in chosen)
    return dead_bytes
