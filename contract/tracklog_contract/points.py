"""Metric points as columns: what a log entry and a chunk both hold, without needing numpy."""

import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

# One quiet NaN stands for all of them, so that equal points have equal bytes.
NAN_BYTES = struct.pack("<d", float("nan"))


@dataclass(frozen=True)
class PointBlock:
    """Points of several metric keys, one key after the other.

    `counts[i]` points belong to `keys[i]`. `steps` and `timestamps` (ms since 1970) are little-endian
    int64, `values` little-endian float64; each column has `sum(counts)` items.
    """

    keys: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    steps: bytes = b""
    timestamps: bytes = b""
    values: bytes = b""

    def __post_init__(self) -> None:
        size = 8 * sum(self.counts)
        assert len(self.keys) == len(self.counts)
        assert len(self.steps) == len(self.timestamps) == len(self.values) == size

    @property
    def points(self) -> int:
        """How many points the block holds."""
        return len(self.values) // 8


NO_POINTS = PointBlock()
Columns = tuple[list[int], list[int], list[float]]


def block_of(series: Iterable[tuple[str, Columns]]) -> PointBlock:
    """The block with these (key, (steps, timestamps, values)) series, in the order given."""
    keys: list[str] = []
    counts: list[int] = []
    steps, timestamps, values = array("q"), array("q"), array("d")
    for key, (key_steps, key_timestamps, key_values) in series:
        keys.append(key)
        counts.append(len(key_steps))
        steps.extend(key_steps)
        timestamps.extend(key_timestamps)
        values.extend(key_values)
    return PointBlock(tuple(keys), tuple(counts), _little(steps), _little(timestamps), _little(values))


def _little(column: "array[int] | array[float]") -> bytes:
    if struct.pack("=h", 1) != struct.pack("<h", 1):
        column.byteswap()
    return column.tobytes()
