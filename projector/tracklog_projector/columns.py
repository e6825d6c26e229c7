"""Metric points of one run as sorted numpy columns: merged from blocks, without duplicates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracklog_contract.codec import Floats, Ints
from tracklog_contract.points import PointBlock


@dataclass(frozen=True)
class Columns:
    """Points sorted by (key, step, timestamp, value), each once; NaN sorts as 0, behind it.

    The points of `keys[i]` are `starts[i]:starts[i + 1]` of the three columns. Keys are sorted by code point.
    """

    keys: tuple[str, ...]
    starts: Ints
    steps: Ints
    timestamps: Ints
    values: Floats

    @property
    def points(self) -> int:
        """How many points there are."""
        return len(self.values)

    def part(self, first: int, last: int) -> "Columns":
        """The points of keys number `first` to `last - 1`."""
        begin, end = int(self.starts[first]), int(self.starts[last])
        return Columns(
            self.keys[first:last],
            self.starts[first : last + 1] - begin,
            self.steps[begin:end],
            self.timestamps[begin:end],
            self.values[begin:end],
        )

    def between(self, low: str, high: str | None) -> "Columns":
        """The points of keys from `low` up to but not including `high` (None: to the end)."""
        chosen = [i for i, key in enumerate(self.keys) if key >= low and (high is None or key < high)]
        return self.part(chosen[0], chosen[-1] + 1) if chosen else self.part(0, 0)

    def of_key(self, key: str) -> "Columns":
        """The points of one key, none when it has none."""
        if key not in self.keys:
            return self.part(0, 0)
        number = self.keys.index(key)
        return self.part(number, number + 1)

    def block(self) -> PointBlock:
        """The same points as bytes."""
        counts = np.diff(self.starts)
        return PointBlock(
            self.keys,
            tuple(counts.tolist()),
            self.steps.astype("<i8", copy=False).tobytes(),
            self.timestamps.astype("<i8", copy=False).tobytes(),
            self.values.astype("<f8", copy=False).tobytes(),
        )


def columns_of(block: PointBlock) -> Columns:
    """The columns of a block that `Columns.block` made: sorted already."""
    starts = np.zeros(len(block.counts) + 1, np.int64)
    np.cumsum(block.counts, out=starts[1:])
    return Columns(
        block.keys,
        starts,
        np.frombuffer(block.steps, "<i8"),
        np.frombuffer(block.timestamps, "<i8"),
        np.frombuffer(block.values, "<f8"),
    )


def merge(blocks: Sequence[PointBlock]) -> Columns:
    """The points of `blocks`, sorted and each once; of equal points the first block's stays."""
    return _merged(blocks)[0]


def merge_with_latest(blocks: Sequence[PointBlock]) -> tuple[Columns, Columns]:
    """As `merge`, and each key's latest point: the greatest (step, timestamp, value).

    NaN counts as 0; where the two tie, the one that comes first in `blocks` is the latest, as with any other
    equal points.
    """
    columns, arrivals = _merged(blocks)
    return columns, _latest(columns, arrivals)


def _merged(blocks: Sequence[PointBlock]) -> tuple[Columns, Ints | None]:
    """The columns, and for each point how many came before it; None where no two have the same step."""
    keys = sorted({key for block in blocks for key in block.keys})
    rank = {key: number for number, key in enumerate(keys)}
    # numpy sorts 16-bit integers by radix, many times faster than wider ones.
    code_type = np.uint16 if len(keys) < 2**16 else np.int32
    ranks = np.fromiter((rank[key] for block in blocks for key in block.keys), code_type)
    counts = np.fromiter((count for block in blocks for count in block.counts), np.int64)
    codes = np.repeat(ranks, counts)
    steps: Ints = np.frombuffer(b"".join(block.steps for block in blocks), "<i8")
    timestamps: Ints = np.frombuffer(b"".join(block.timestamps for block in blocks), "<i8")
    values: Floats = np.frombuffer(b"".join(block.values for block in blocks), "<f8")
    order, may_tie = _order(codes, steps, timestamps, values)
    if order is not None:
        codes, steps, timestamps, values = codes[order], steps[order], timestamps[order], values[order]
    if may_tie:
        assert order is not None
        fresh = _differs_from_previous(codes, steps, timestamps, values)
        if not fresh.all():
            codes, steps, timestamps, values = codes[fresh], steps[fresh], timestamps[fresh], values[fresh]
            order = order[fresh]
    starts = np.searchsorted(codes, np.arange(len(keys) + 1)).astype(np.int64)
    return Columns(tuple(keys), starts, steps, timestamps, values), order if may_tie else None


def _order(codes: Ints, steps: Ints, timestamps: Ints, values: Floats) -> tuple[Ints | None, bool]:
    """The order that sorts the points, None when they are; and whether two may have key and step alike."""
    if _is_increasing(codes, steps):
        return None, False
    by_key = np.argsort(codes, kind="stable")
    if _is_increasing(codes[by_key], steps[by_key]):
        return by_key, False
    not_a_number = np.isnan(values)
    order = np.lexsort((not_a_number, np.where(not_a_number, 0.0, values), timestamps, steps, codes))
    return order, True


def _is_increasing(codes: Ints, steps: Ints) -> bool:
    next_key = codes[1:] > codes[:-1]
    next_step = (codes[1:] == codes[:-1]) & (steps[1:] > steps[:-1])
    return bool(np.all(next_key | next_step))


def _differs_from_previous(
    codes: Ints, steps: Ints, timestamps: Ints, values: Floats
) -> npt.NDArray[np.bool_]:
    same_value = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    same = (
        same_value
        & (codes[1:] == codes[:-1])
        & (steps[1:] == steps[:-1])
        & (timestamps[1:] == timestamps[:-1])
    )
    return np.concatenate((np.ones(min(1, len(codes)), bool), ~same))


def _latest(columns: Columns, arrivals: Ints | None) -> Columns:
    last = columns.starts[1:] - 1
    if arrivals is not None:
        before = np.maximum(last - 1, columns.starts[:-1])
        # NaN is sorted behind 0.
        zero_came_first = (
            np.isnan(columns.values[last])
            & (columns.values[before] == 0.0)
            & (columns.steps[last] == columns.steps[before])
            & (columns.timestamps[last] == columns.timestamps[before])
            & (arrivals[before] < arrivals[last])
        )
        last = np.where(zero_came_first, before, last)
    return Columns(
        columns.keys,
        np.arange(len(last) + 1),
        columns.steps[last],
        columns.timestamps[last],
        columns.values[last],
    )


def rows(columns: Columns) -> Iterator[tuple[str, float, int, int]]:
    """(key, value, timestamp, step) of the points of columns that have one for each key."""
    return zip(
        columns.keys,
        columns.values.tolist(),
        columns.timestamps.tolist(),
        columns.steps.tolist(),
        strict=True,
    )
