"""Chunks: how sorted columns are cut, packed into rows of the table `chunk`, and read back."""

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import numpy as np
import zstandard

from tracklog_contract.codec import PAYLOAD_BYTES_MAX, filtered, unfiltered
from tracklog_contract.errors import Corrupt
from tracklog_contract.points import PointBlock
from tracklog_projector.columns import Columns, columns_of

CHUNK_POINTS: Final = 16_384
# A chunk of one key with so many points is never merged again.
SEALED_POINTS_MIN: Final = CHUNK_POINTS // 4
SUMMARY_BUCKET_POINTS: Final = 512

# One thread packs chunks in the projector; readers only unpack.
_compressor = zstandard.ZstdCompressor(level=3, write_checksum=False, write_content_size=True)
_decompressor = zstandard.ZstdDecompressor()

CHUNK_COLUMNS: Final = (
    "partition", "run_id", "batch", "level", "sealed", "first_key", "last_key", "points",
    "step_min", "step_max", "timestamp_min", "timestamp_max", "summary", "payload",
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A part of a run's columns that becomes one chunk row."""

    columns: Columns
    sealed: bool

    def row(self, run_id: uuid.UUID, batch: int, level: int) -> tuple[Any, ...]:
        """The row, in the order of `CHUNK_COLUMNS`."""
        columns = self.columns
        return (
            0, run_id, batch, level, self.sealed, columns.keys[0], columns.keys[-1], columns.points,
            int(columns.steps.min()), int(columns.steps.max()),
            int(columns.timestamps.min()), int(columns.timestamps.max()),
            summarise(columns) if self.sealed else None, pack(columns.block()),
        )  # fmt: skip


def cut(columns: Columns) -> Iterator[Piece]:
    """Long series as sealed pieces of one key; what is short together, about CHUNK_POINTS points a piece."""
    first = 0
    for number in range(len(columns.keys)):
        points = int(columns.starts[number + 1] - columns.starts[number])
        if points >= SEALED_POINTS_MIN:
            if number > first:
                yield Piece(columns.part(first, number), sealed=False)
            first = number + 1
            yield from _sealed(columns.part(number, number + 1))
        elif columns.starts[number + 1] - columns.starts[first] > CHUNK_POINTS:
            yield Piece(columns.part(first, number), sealed=False)
            first = number
    if first < len(columns.keys):
        yield Piece(columns.part(first, len(columns.keys)), sealed=False)


def _sealed(series: Columns) -> Iterator[Piece]:
    """A long series in equal pieces, each between SEALED_POINTS_MIN and CHUNK_POINTS points."""
    pieces = -(-series.points // CHUNK_POINTS)
    bounds = [series.points * number // pieces for number in range(pieces + 1)]
    for begin, end in itertools.pairwise(bounds):
        yield Piece(
            Columns(
                series.keys,
                np.array([0, end - begin], np.int64),
                series.steps[begin:end],
                series.timestamps[begin:end],
                series.values[begin:end],
            ),
            sealed=True,
        )


def pack(block: PointBlock) -> bytes:
    """A chunk's payload."""
    columns = filtered(block.steps, block.timestamps, block.values)
    return _compressor.compress(msgpack.packb([block.keys, block.counts, *columns]))


def unpack(payload: bytes) -> Columns:
    """The points of a chunk's payload.

    Raises: Corrupt, when the bytes are not what `pack` gives.
    """
    try:
        body = _decompressor.decompress(payload, max_output_size=PAYLOAD_BYTES_MAX)
        keys, counts, *columns = msgpack.unpackb(body, max_bin_len=PAYLOAD_BYTES_MAX)
        return columns_of(PointBlock(tuple(keys), tuple(counts), *unfiltered(*columns)))
    except (msgpack.UnpackException, zstandard.ZstdError, ValueError, TypeError, AssertionError) as error:
        raise Corrupt(f"a metric chunk cannot be read: {error}") from error


def summarise(series: Columns) -> bytes:
    """A sealed chunk in buckets of SUMMARY_BUCKET_POINTS points: what a chart needs without the points.

    Six packed columns, one item a bucket: count, first step (int64); least, greatest, first and last value
    (float64; NaN points are left out of least and greatest, NaN only when all are).
    """
    begins = np.arange(0, series.points, SUMMARY_BUCKET_POINTS)
    ends = np.append(begins[1:], series.points)
    values = series.values
    return _compressor.compress(
        msgpack.packb(
            [
                (ends - begins).astype("<i8").tobytes(),
                series.steps[begins].astype("<i8").tobytes(),
                np.fmin.reduceat(values, begins).astype("<f8").tobytes(),
                np.fmax.reduceat(values, begins).astype("<f8").tobytes(),
                values[begins].astype("<f8").tobytes(),
                values[ends - 1].astype("<f8").tobytes(),
            ]
        )
    )
