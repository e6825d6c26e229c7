"""Reads one series of one run from its chunks, in any order, without loading more of it than is asked for."""

import functools
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tracklog_contract.codec import Floats, Ints
from tracklog_contract.sqlfiles import statements
from tracklog_projector.chunks import unpack
from tracklog_projector.columns import Columns, merge

SQL = statements("tracklog_projector")
Axis = Literal["step", "timestamp"]


@dataclass(frozen=True)
class Points:
    """Points of one key as three columns of one length."""

    steps: Ints
    timestamps: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def at(self, index: Any) -> "Points":
        """The points at these indices, or in this slice."""
        return Points(self.steps[index], self.timestamps[index], self.values[index])


@dataclass(frozen=True)
class Chunk:
    """A chunk that may hold points of the key: where they lie, and how many there are when that is known.

    `points` of a sealed chunk is exact. An open one holds other keys too, so it is loaded at once: `columns`.
    """

    chunk_id: int
    batch: int
    low: int
    high: int
    points: int
    columns: Columns | None = None


@dataclass(frozen=True)
class Cluster:
    """Chunks whose ranges on the axis overlap; apart from every other cluster of the series."""

    chunks: list[Chunk]
    low: int
    high: int

    @property
    def points(self) -> int | None:
        """How many points it has, when that is known without loading: one chunk has each point once."""
        return self.chunks[0].points if len(self.chunks) == 1 else None


class Series:
    """One key of one run, as the chunks in `connection`'s snapshot hold it."""

    def __init__(self, connection: Any, run_id: uuid.UUID, key: str) -> None:
        self._connection = connection
        self._run_id = run_id
        self._key = key

    async def clusters(self, axis: Axis) -> list[Cluster]:
        """The series in pieces that follow one another on the axis."""
        rows = await self._connection.fetch(SQL["chunks_of_key"], self._run_id, self._key)
        chunks = [self._sealed(row, axis) for row in rows if row["payload"] is None]
        for row in rows:
            if row["payload"] is not None:
                columns = unpack(row["payload"]).of_key(self._key)
                if columns.points:
                    chunks.append(_open(row, columns, axis))
        return cluster(chunks)

    def _sealed(self, row: Any, axis: Axis) -> Chunk:
        return Chunk(row["chunk_id"], row["batch"], row[f"{axis}_min"], row[f"{axis}_max"], row["points"])

    async def load(self, wanted: Cluster, axis: Axis) -> Points:
        """A cluster's points, sorted by the axis, then by the other one, then by value with NaN as 0."""
        missing = [chunk.chunk_id for chunk in wanted.chunks if chunk.columns is None]
        payloads = {}
        if missing:
            rows = await self._connection.fetch(SQL["chunks_by_id"], self._run_id, missing)
            payloads = {row["chunk_id"]: row["payload"] for row in rows}
        in_order = sorted(wanted.chunks, key=lambda chunk: (chunk.batch, chunk.chunk_id))
        parts = [chunk.columns or unpack(payloads[chunk.chunk_id]) for chunk in in_order]
        merged = parts[0] if len(parts) == 1 else merge([part.block() for part in parts])
        points = Points(merged.steps, merged.timestamps, merged.values)
        return points if axis == "step" else by_timestamp(points)


def _open(row: Any, columns: Columns, axis: Axis) -> Chunk:
    along = columns.steps if axis == "step" else columns.timestamps
    low, high = int(along.min()), int(along.max())
    return Chunk(row["chunk_id"], row["batch"], low, high, columns.points, columns)


def cluster(chunks: list[Chunk]) -> list[Cluster]:
    """Chunks whose ranges touch, together; the clusters in order."""
    clusters: list[Cluster] = []
    for chunk in sorted(chunks, key=lambda chunk: (chunk.low, chunk.high)):
        if clusters and chunk.low <= clusters[-1].high:
            last = clusters.pop()
            clusters.append(Cluster([*last.chunks, chunk], last.low, max(last.high, chunk.high)))
        else:
            clusters.append(Cluster([chunk], chunk.low, chunk.high))
    return clusters


def by_timestamp(points: Points) -> Points:
    """The same points sorted by (timestamp, step, value)."""
    if bool(np.all(points.timestamps[1:] > points.timestamps[:-1])):
        return points
    return points.at(np.lexsort((*_value_order(points.values), points.steps, points.timestamps)))


def _value_order(values: Floats) -> tuple[Any, Any]:
    not_a_number = np.isnan(values)
    return not_a_number, np.where(not_a_number, 0.0, values)


async def history(
    series: Series, after: tuple[int, int, float] | None, limit: int | None
) -> AsyncIterator[Points]:
    """The series by (timestamp, step, value): up to `limit` points (None: all), piece by piece.

    Args: after: the (timestamp, step, value) of the last point already read.
    """
    left = limit
    for wanted in await series.clusters("timestamp"):
        if after is not None and wanted.high < after[0]:
            continue
        points = await series.load(wanted, "timestamp")
        if after is not None:
            points = points.at(slice(_place_after(points, after), None))
        if left is not None:
            points = points.at(slice(0, left))
            left -= len(points)
        if len(points):
            yield points
        if left == 0:
            return


def _place_after(points: Points, after: tuple[int, int, float]) -> int:
    """How many points come up to and including `after`."""
    timestamp, step, value = after
    begin = int(np.searchsorted(points.timestamps, timestamp, "left"))
    end = int(np.searchsorted(points.timestamps, timestamp, "right"))
    rank = _rank(value)
    for number in range(begin, end):
        if (int(points.steps[number]), *_rank(float(points.values[number]))) > (step, *rank):
            return number
    return end


def _rank(value: float) -> tuple[float, bool]:
    return (0.0, True) if value != value else (value, False)  # noqa: PLR0124 (NaN is not itself)


async def sample(series: Series, start: int | None, end: int | None, most: int) -> Points:
    """At most `most` points by (step, timestamp, value), spread evenly by rank, the last one among them.

    As MLflow samples: the first point of each of `most` equal buckets, but in the last one the last point.
    Args: start, end: the steps to keep, both inclusive, or None for all.
    """
    clusters = await series.clusters("step")
    if start is not None and end is not None:
        clusters = [wanted for wanted in clusters if wanted.high >= start and wanted.low <= end]
    sized: list[tuple[Callable[[], Any], int]] = []
    for wanted in clusters:
        whole = start is None or end is None or (wanted.low >= start and wanted.high <= end)
        if whole and wanted.points is not None:
            sized.append((functools.partial(series.load, wanted, "step"), wanted.points))
        else:
            points = _within(await series.load(wanted, "step"), start, end)
            sized.append((_ready(points), len(points)))
    ranks = sample_ranks(sum(count for _, count in sized), most)
    picked: list[Points] = []
    begin = 0
    for load, count in sized:
        here = ranks[(ranks >= begin) & (ranks < begin + count)] - begin
        if len(here):
            picked.append((await load()).at(here))
        begin += count
    return Points(
        np.concatenate([np.empty(0, np.int64), *(points.steps for points in picked)]),
        np.concatenate([np.empty(0, np.int64), *(points.timestamps for points in picked)]),
        np.concatenate([np.empty(0, np.float64), *(points.values for points in picked)]),
    )


def _ready(points: Points) -> Callable[[], Any]:
    async def load() -> Points:
        return points

    return load


def _within(points: Points, start: int | None, end: int | None) -> Points:
    if start is None or end is None:
        return points
    return points.at(
        slice(
            int(np.searchsorted(points.steps, start, "left")),
            int(np.searchsorted(points.steps, end, "right")),
        )
    )


def sample_ranks(count: int, most: int) -> Ints:
    """Which of `count` ranks a sample of at most `most` points takes, ascending."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    small, larger = divmod(count, most)
    buckets = np.arange(most, dtype=np.int64)
    ranks: Ints = buckets * small + np.minimum(buckets, larger)
    ranks[-1] = count - 1
    return ranks
