"""Records of the spool: how what was logged lies in a file, each record framed by its length and checksum.

A segment is a file of one stream: PREAMBLE (a magic number, and how far the server has acknowledged it),
then records. Each record is a msgpack array whose first item is its kind:

    [HEADER, {"run_id": text, "url": text or nil, "begin": map or nil}]    the first of each segment
    [POINTS, step, timestamp, {key: value, ...}]
    [SERIES, key, first step or steps, timestamp or timestamps, values]    columns: little-endian, 8 bytes
    [PARAMS, {key: text, ...}]
    [TAGS, {key: text, ...}]
    [STATUS, status, end time]

Streams of files have records of their own:

    [FILE, path, content]                       a small one, here in the segment; its content ends the record
    [LARGE, path, name, size, mtime or nil]     a larger one, in the data file `name`, which is a link to
                                                the file itself where that has its time here (ns)
"""

import struct
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgpack

HEADER: Final = 0
POINTS: Final = 1
SERIES: Final = 2
PARAMS: Final = 3
TAGS: Final = 4
STATUS: Final = 5
FILE: Final = 6
LARGE: Final = 7

MAGIC: Final = b"tracklg1"
PREAMBLE: Final = struct.Struct("<8sQ")
FRAME: Final = struct.Struct("<II")
DATA_START: Final = PREAMBLE.size

# Bounds of one record, well inside what one request may hold.
RECORD_BYTES_MAX: Final = 8 * 2**20
RECORD_ITEMS_MAX: Final = 5_000
RECORD_TEXTS_MAX: Final = 100
RECORD_POINTS_MAX: Final = 65_536


class Record(NamedTuple):
    """A record as it was read: `end` is the offset after it."""

    end: int
    kind: int
    fields: list[Any]


class Scan(NamedTuple):
    """The whole records from an offset on.

    `end` is the offset after the last of them, and `rest` why nothing was read from there: "" (the data
    ends), "short" (a record that is not all there) or "broken" (bytes that are no record).
    """

    records: list[Record]
    end: int
    rest: str


def preamble(acknowledged: int = DATA_START) -> bytes:
    """The first bytes of a segment."""
    return PREAMBLE.pack(MAGIC, acknowledged)


def acknowledged(first_bytes: bytes) -> int:
    """How far a segment with these first bytes is known to be with the server; 0 when it is no segment."""
    if len(first_bytes) < PREAMBLE.size:
        return 0
    magic, offset = PREAMBLE.unpack_from(first_bytes)
    return int(offset) if magic == MAGIC else 0


def frame(payload: bytes) -> bytes:
    """A record with `payload`, as it is written."""
    return FRAME.pack(len(payload), crc32(payload)) + payload


def scan(data: bytes, start: int) -> Scan:
    """The records in `data`, which lies at offset `start` of its segment."""
    records: list[Record] = []
    at, size = 0, len(data)
    view = memoryview(data)
    while at < size:
        if size - at < FRAME.size:
            return Scan(records, start + at, "short")
        length, checksum = FRAME.unpack_from(data, at)
        if not 0 < length <= RECORD_BYTES_MAX:
            return Scan(records, start + at, "broken")
        end = at + FRAME.size + length
        if end > size:
            return Scan(records, start + at, "short")
        payload = view[at + FRAME.size : end]
        if crc32(payload) != checksum:
            return Scan(records, start + at, "broken")
        kind, *fields = msgpack.unpackb(payload)
        records.append(Record(start + end, kind, fields))
        at = end
    return Scan(records, start + at, "")
