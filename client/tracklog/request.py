"""Requests of the native lane (README, "Native ingest"), put together from the records of many streams."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgpack

from tracklog.journal import Range
from tracklog.records import HEADER, PARAMS, POINTS, RECORD_BYTES_MAX, SERIES, STATUS, TAGS, Record
from tracklog.source import Source
from tracklog.values import column_bytes, column_of

# One more record always fits: the server takes twice as much and more.
POINTS_MAX: Final = 400_000
ITEMS_MAX: Final = 40_000
PARTS_MAX: Final = 900
BYTES_MAX: Final = 16 * 2**20
assert BYTES_MAX + 2 * RECORD_BYTES_MAX <= 32 * 2**20


class Series:
    """The points of one key: their steps, as a first one and a count for as long as they go up by one."""

    def __init__(self) -> None:
        self.first = 0
        self.steps: array[int] | None = None
        self.timestamps: array[int] = array("q")
        self.values: array[float] = array("d")

    def add(self, step: int, timestamp: int, value: float) -> None:
        """Add one point."""
        count = len(self.values)
        if self.steps is not None:
            self.steps.append(step)
        elif not count:
            self.first = step
        elif step != self.first + count:
            self._spell_steps_out().append(step)
        self.timestamps.append(timestamp)
        self.values.append(value)

    def add_columns(self, steps: int | bytes, timestamps: int | bytes, values: bytes) -> None:
        """Add a SERIES record's points."""
        count, more = len(self.values), len(values) // 8
        if isinstance(steps, bytes):
            self._spell_steps_out().extend(column_of(steps, "q"))
        elif not count:
            self.first = steps
        elif self.steps is not None or steps != self.first + count:
            self._spell_steps_out().extend(range(steps, steps + more))
        self.timestamps.extend(
            column_of(timestamps, "q") if isinstance(timestamps, bytes) else array("q", [timestamps]) * more
        )
        self.values.extend(column_of(values, "d"))

    def all_steps(self) -> "array[int]":
        """The column of steps."""
        if self.steps is not None:
            return self.steps
        return array("q", range(self.first, self.first + len(self.values)))

    def last(self, count: int) -> dict[str, list[Any]]:
        """The last `count` points, as they are kept when they are refused."""
        start = len(self.values) - count
        columns: dict[str, array[Any]] = {
            "steps": self.all_steps(),
            "timestamps": self.timestamps,
            "values": self.values,
        }
        return {name: list(column[start:]) for name, column in columns.items()}

    def _spell_steps_out(self) -> "array[int]":
        if self.steps is None:
            self.steps = self.all_steps()
        return self.steps


class Part:
    """What a request says about one run: records of one stream, as far as their order does not matter."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.begin: Mapping[str, Any] | None = None
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.series: dict[str, Series] = {}
        self.status: str | None = None
        self.end_time: int | None = None

    @property
    def items(self) -> int:
        """How many series, params and tags it has."""
        return len(self.series) + len(self.params) + len(self.tags)

    def takes(self, record: Record) -> bool:
        """May the record go here: nothing follows a status, and a param has one value."""
        if self.status is not None:
            return False
        if record.kind != PARAMS:
            return True
        return all(self.params.get(key, value) == value for key, value in record.fields[0].items())

    def add(self, record: Record) -> None:
        """Take in a record."""
        if record.kind == POINTS:
            step, timestamp, values = record.fields
            for key, value in values.items():
                self._series(key).add(step, timestamp, value)
        elif record.kind == SERIES:
            key, *columns = record.fields
            self._series(key).add_columns(*columns)
        elif record.kind == PARAMS:
            self.params.update(record.fields[0])
        elif record.kind == TAGS:
            self.tags.update(record.fields[0])
        elif record.kind == STATUS:
            self.status, self.end_time = record.fields
        else:
            # What is not known must not count as delivered.
            assert record.kind == HEADER, f"a record of kind {record.kind}"
            self.begin = record.fields[0]["begin"]

    def fields(self) -> dict[str, Any]:
        """The part as the request has it."""
        fields: dict[str, Any] = {"run_id": self.source.run_id}
        optional = {
            "begin": self.begin,
            "params": self.params,
            "tags": self.tags,
            "points": _columns(self.series) if self.series else None,
            "status": self.status,
            "end_time": self.end_time,
        }
        return fields | {name: value for name, value in optional.items() if value not in (None, {})}

    def data_of(self, item: str, key: str, points: int) -> dict[str, Any]:
        """The data of a refused item, to be kept."""
        if item == "param":
            return {"value": self.params.get(key)}
        if item == "tag":
            return {"value": self.tags.get(key)}
        if item == "status":
            return {"status": self.status, "end_time": self.end_time}
        if item == "series":
            return self.series[key].last(points) if key in self.series else {}
        series = {key: series.last(len(series.values)) for key, series in self.series.items()}
        if item == "points":
            return {"series": series}
        return {"params": self.params, "tags": self.tags, "series": series, "status": self.status}

    def _series(self, key: str) -> Series:
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series()
        return series


def _columns(series: Mapping[str, Series]) -> dict[str, Any]:
    """The points of all series, one series after the other."""
    all_series = series.values()
    columns: dict[str, Any] = {
        "keys": list(series),
        "counts": [len(one.values) for one in all_series],
        "timestamps": _one_or_all([one.timestamps for one in all_series]),
        "values": b"".join(column_bytes(one.values) for one in all_series),
    }
    if all(one.steps is None for one in all_series):
        columns["first_steps"] = [one.first for one in all_series]
    else:
        columns["steps"] = b"".join(column_bytes(one.all_steps()) for one in all_series)
    return columns


def _one_or_all(timestamps: Sequence["array[int]"]) -> int | bytes:
    first = timestamps[0][0]
    if all(column.count(first) == len(column) for column in timestamps):
        return first
    return b"".join(map(column_bytes, timestamps))


class Request:
    """One request: parts in order, and the bytes of the spool that they cover."""

    def __init__(self, records_max: int) -> None:
        self.parts: list[Part] = []
        self.ranges: list[Range] = []
        self.points = 0
        self.records = 0
        self._items = 0
        self._bytes = 0
        self._records_max = records_max

    @property
    def is_full(self) -> bool:
        """Must what comes next go into another request."""
        return (
            self.records >= self._records_max
            or self.points >= POINTS_MAX
            or self._items >= ITEMS_MAX
            or self._bytes >= BYTES_MAX
            or len(self.parts) >= PARTS_MAX
        )

    def add(self, source: Source, found: Iterable[Record]) -> None:
        """Take in a stream's next records, until the request is full."""
        start = end = source.offset
        part: Part | None = None
        for record in found:
            if self.is_full:
                break
            if part is None or not part.takes(record):
                part = Part(source)
                self.parts.append(part)
            before = part.items
            part.add(record)
            self.records += 1
            self.points += _points_of(record)
            self._items += part.items - before
            self._bytes += record.end - end
            end = record.end
        if end > start:
            self.ranges.append(Range(source.name, source.number, start, end))

    def body(self, producer: bytes, sequence: int) -> bytes:
        """The request's bytes."""
        runs = [part.fields() for part in self.parts]
        body: bytes = msgpack.packb({"producer": producer, "sequence": sequence, "runs": runs})
        return body


def _points_of(record: Record) -> int:
    if record.kind == POINTS:
        return len(record.fields[2])
    return len(record.fields[3]) // 8 if record.kind == SERIES else 0
