"""The native lane's columns: checked, filled up where they were sent in short form, and made one block."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from tracklog_contract import validate
from tracklog_contract.codec import Floats, Ints
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_contract.points import NO_POINTS, PointBlock

REASON_CHARS_MAX: Final = 500


class Points(msgspec.Struct):
    """The columns of one run's series, as sent."""

    keys: list[str]
    counts: list[int]
    values: bytes
    timestamps: bytes | int
    steps: bytes | None = None
    first_steps: list[int] | None = None


@dataclass(frozen=True)
class Rejection:
    """What was not kept of a request, and why. `run` is the run's number in the request."""

    run: int
    item: str
    key: str
    points: int
    error_code: str
    message: str

    @classmethod
    def of(cls, run: int, item: str, error: Rejected, *, key: str = "", points: int = 0) -> "Rejection":
        """The rejection of one item for the reason in `error`."""
        return cls(run, item, key, points, error.error_code, error.message[:REASON_CHARS_MAX])


def block_of_series(number: int, points: Points, rejected: list[Rejection]) -> PointBlock:
    """The columns of run number `number` as a block, without the series that are refused."""
    try:
        counts, steps, timestamps, values = _columns(points)
    except Rejected as error:
        rejected.append(Rejection.of(number, "points", error, points=len(points.values) // 8))
        return NO_POINTS
    good = np.ones(len(points.keys), bool)
    seen: set[str] = set()
    bad_times = _series_before_1970(timestamps, counts)
    for place, key in enumerate(points.keys):
        try:
            _check_series(key, seen, bad_time=place in bad_times)
        except Rejected as error:
            good[place] = False
            rejected.append(Rejection.of(number, "series", error, key=key, points=points.counts[place]))
        seen.add(key)
    keys = points.keys
    if not good.all():
        chosen = np.repeat(good, counts)
        keys = [key for place, key in enumerate(keys) if good[place]]
        counts, steps, timestamps, values = counts[good], steps[chosen], timestamps[chosen], values[chosen]
    return PointBlock(
        tuple(keys), tuple(counts.tolist()), steps.tobytes(), timestamps.tobytes(), values.tobytes()
    )


def checked_key(key: str) -> str:
    """A key of at least one character. Raises: Rejected, for an empty one."""
    if not key:
        raise Rejected(INVALID, "A key must have at least one character.")
    return key


def _check_series(key: str, seen: set[str], *, bad_time: bool) -> None:
    validate.metric_key(checked_key(key))
    if key in seen:
        raise Rejected(INVALID, f"The series '{key}' comes twice. Send each key once.")
    if bad_time:
        raise Rejected(INVALID, f"The series '{key}' has a timestamp before 1970, or beyond 64 bits.")


def _series_before_1970(timestamps: Ints, counts: Ints) -> frozenset[int]:
    """The numbers of the series that have a negative timestamp."""
    if timestamps.min(initial=0) >= 0:
        return frozenset()
    places = np.repeat(np.arange(len(counts)), counts)
    return frozenset(places[timestamps < 0].tolist())


def _columns(points: Points) -> tuple[Ints, Ints, Ints, Floats]:
    """Counts, steps, timestamps and values.

    Raises: Rejected, when they do not fit together.
    """
    if len(points.keys) != len(points.counts):
        raise Rejected(INVALID, f"There are {len(points.keys)} keys and {len(points.counts)} counts.")
    total = len(points.values) // 8
    if any(count < 1 for count in points.counts) or sum(points.counts) * 8 != len(points.values):
        raise Rejected(INVALID, f"counts must be 1 or more each, and {total} together, as values has items.")
    counts: Ints = np.array(points.counts, np.int64)
    steps = _int_column("steps", points.steps, total) if points.steps is not None else None
    if (steps is None) == (points.first_steps is None):
        raise Rejected(INVALID, "points must have either steps or first_steps.")
    if steps is None:
        steps = _dense(points.first_steps or [], points.counts, counts)
    return counts, steps, _timestamps(points.timestamps, total), _values(points.values)


def _int_column(name: str, column: bytes, total: int) -> Ints:
    if len(column) != 8 * total:
        raise Rejected(INVALID, f"{name} must have {8 * total} bytes, as values has, not {len(column)}.")
    return np.frombuffer(column, "<i8")


def _dense(first_steps: list[int], given: list[int], counts: Ints) -> Ints:
    if len(first_steps) != len(given):
        raise Rejected(INVALID, f"There are {len(given)} keys and {len(first_steps)} first_steps.")
    for first, count in zip(first_steps, given, strict=True):
        if not INT64_MIN <= first <= INT64_MAX - count + 1:
            raise Rejected(INVALID, f"{count} steps from {first} on do not fit 64 bits.")
    begins = np.cumsum(counts) - counts
    steps: Ints = np.arange(int(counts.sum()), dtype=np.int64)
    # In 64 bits both additions may wrap around, and together they do not.
    steps += np.repeat(np.array(first_steps, np.int64) - begins, counts)
    return steps


def _timestamps(given: bytes | int, total: int) -> Ints:
    if isinstance(given, bytes):
        return _int_column("timestamps", given, total)
    # What 64 bits do not hold is as much refused as what is before 1970.
    return np.full(total, given if 0 <= given <= INT64_MAX else -1, np.int64)


def _values(column: bytes) -> Floats:
    values: Floats = np.frombuffer(column, "<f8")
    not_a_number = np.isnan(values)
    if not_a_number.any():
        # One NaN stands for all, so that equal points have equal bytes.
        values = np.where(not_a_number, np.nan, values)
    return values
