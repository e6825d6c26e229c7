"""Latest points on their way into the table `metric`: packed by run and fold, written once for many folds.

A fold that has few latest points writes them as rows. One with many, as of runs with thousands of keys, packs
them, a row for each run (table `metric_fresh`); a drain merges what has gathered of a run and writes the row
of each key once. Readers of single runs merge both; a search that filters or orders by metrics has to wait
for a drain.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tracklog_contract.points import PointBlock, block_of
from tracklog_contract.sqlfiles import statements
from tracklog_projector.chunks import pack, unpack
from tracklog_projector.columns import Columns, merge_with_latest, rows

SQL = statements("tracklog_projector")
# A fold with more latest points than this packs them: about what the database writes as rows in 50 ms.
ROWS_MAX: Final = 4_000
# One step of a drain takes the runs of so many packed rows, oldest first.
STEP_PACKED_ROWS: Final = 200
# Key, value, timestamp and step.
Point = tuple[str, float, int, int]
COLUMNS: Final = ("partition", "run_id", "position", "since", "experiment_id", "payload")


async def write(
    connection: Any,
    points: Mapping[uuid.UUID, Columns],
    experiments: Mapping[uuid.UUID, int],
    since: int,
    position: int,
    *,
    behind: bool,
) -> tuple[int, int]:
    """Write a fold's latest points, of the entries after `since` up to `position`.

    Args: behind: are there packed points already, which these must not overtake.
    Returns: how many rows of latest points, and how many packed rows; one of them is 0.
    """
    if behind or sum(len(columns.keys) for columns in points.values()) > ROWS_MAX:
        packed = [
            (0, run_id, position, since, experiments[run_id], pack(columns.block()))
            for run_id, columns in points.items()
        ]
        await connection.copy_records_to_table("metric_fresh", records=packed, columns=COLUMNS)
        return 0, len(packed)
    return await _write_rows(connection, points, experiments), 0


async def _write_rows(
    connection: Any, points: Mapping[uuid.UUID, Columns], experiments: Mapping[uuid.UUID, int]
) -> int:
    metrics = [
        (run_id, experiments[run_id], *row) for run_id, columns in points.items() for row in rows(columns)
    ]
    await connection.execute(SQL["upsert_metrics"], *zip(*metrics, strict=True))
    return len(metrics)


@dataclass(frozen=True)
class Step:
    """What a step of a drain did: packed rows taken, rows written; and up to where `metric` is complete."""

    packed_rows: int
    metric_rows: int
    metrics_position: int


async def drain_step(connection: Any) -> Step:
    """Write the points that have waited longest as rows, inside the caller's turn at the views."""
    taken = await connection.fetch(SQL["take_fresh_metrics"], STEP_PACKED_ROWS)
    written = 0
    if taken:
        blocks: dict[uuid.UUID, list[PointBlock]] = {}
        # Of equal points the first stays, and 0 equals -0 and NaN: so in the order of the log.
        for row in sorted(taken, key=lambda row: row["position"]):
            blocks.setdefault(row["run_id"], []).append(unpack(row["payload"]).block())
        points = {run_id: merge_with_latest(of_run)[1] for run_id, of_run in blocks.items()}
        written = await _write_rows(
            connection, points, {row["run_id"]: row["experiment_id"] for row in taken}
        )
    metrics_position = await connection.fetchval(SQL["advance_metrics"])
    return Step(len(taken), written, metrics_position)


async def drain(connection: Any) -> None:
    """Write all packed points as rows; for views that nobody else writes."""
    step: Step | None = None
    while step is None or step.packed_rows:
        async with connection.transaction():
            step = await drain_step(connection)


async def load(connection: Any, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[PointBlock]]:
    """The packed points of these runs, as blocks. To be read before the rows that a drain makes of them."""
    found: dict[uuid.UUID, list[PointBlock]] = {}
    for row in await connection.fetch(SQL["get_fresh_metrics"], run_ids):
        found.setdefault(row["run_id"], []).append(unpack(row["payload"]).block())
    return found


def merged(points: Sequence[Point], blocks: Sequence[PointBlock]) -> list[Point]:
    """The latest points among rows of `metric` and blocks of packed ones, by key."""
    of_rows = block_of((key, ([step], [timestamp], [value])) for key, value, timestamp, step in points)
    return list(rows(merge_with_latest([of_rows, *blocks])[1]))
