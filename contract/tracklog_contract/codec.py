"""An event's payload bytes, and the column filters that make metric columns compress.

A payload is one format byte and a body: PLAIN is msgpack as it is; PACKED is zstd over the same
msgpack with its point columns filtered first. Needs numpy and zstandard, so only servers import it.
"""

from typing import Any, Final

import msgpack
import numpy as np
import numpy.typing as npt
import zstandard

from tracklog_contract.errors import Corrupt
from tracklog_contract.event_types import EVENT_TYPE_BY_KIND
from tracklog_contract.events import Event

PLAIN: Final = 0
PACKED: Final = 1
COMPRESS_FROM_BYTES: Final = 512
# What a payload may unfold to: a guard against a corrupt or hostile row, far above any real batch.
PAYLOAD_BYTES_MAX: Final = 256 * 2**20

# What reading bytes that `encode` did not write may raise.
UNREADABLE: Final = (
    msgpack.UnpackException,
    zstandard.ZstdError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# zstandard's objects are not to be shared by threads; each process codes payloads on one thread only.
_compressor = zstandard.ZstdCompressor(level=3, write_checksum=False, write_content_size=True)
_decompressor = zstandard.ZstdDecompressor()


def encode(event: Event) -> bytes:
    """The payload of `event`; `decode` gives the event back."""
    packed = event.pack()
    points = packed.get("points")
    if points is None or len(points[4]) < COMPRESS_FROM_BYTES // 3:
        body: bytes = msgpack.packb(packed)
        if len(body) < COMPRESS_FROM_BYTES:
            return bytes((PLAIN,)) + body
        if points is None:
            return bytes((PACKED,)) + _compressor.compress(body)
    packed["points"] = [*points[:2], *filtered(points[2], points[3], points[4])]
    return bytes((PACKED,)) + _compressor.compress(msgpack.packb(packed))


def decode(kind: int, version: int, payload: bytes) -> Event | None:
    """The event in `payload`, or None for a kind or version this code does not know.

    Raises: Corrupt, when the bytes are not what `encode` gives.
    """
    event_type = EVENT_TYPE_BY_KIND.get((kind, version))
    if event_type is None:
        return None
    try:
        return event_type.unpack(_unpacked(payload))
    except UNREADABLE as error:
        raise Corrupt(f"payload of event kind {kind} version {version} cannot be read: {error}") from error


def _unpacked(payload: bytes) -> dict[str, Any]:
    if payload[0] == PLAIN:
        plain: dict[str, Any] = msgpack.unpackb(memoryview(payload)[1:])
        return plain
    if payload[0] != PACKED:
        raise ValueError(f"unknown payload format {payload[0]}")
    body = _decompressor.decompress(memoryview(payload)[1:], max_output_size=PAYLOAD_BYTES_MAX)
    packed: dict[str, Any] = msgpack.unpackb(body, max_bin_len=PAYLOAD_BYTES_MAX)
    if "points" in packed:
        keys, counts, *columns = packed["points"]
        packed["points"] = [keys, counts, *unfiltered(*columns)]
    return packed


def filtered(steps: bytes, timestamps: bytes, values: bytes) -> tuple[bytes, bytes, bytes]:
    """Columns as zstd likes them: int64 as differences, and byte k of every item beside its like."""
    return (
        _shuffled(_differences(np.frombuffer(steps, "<i8"))),
        _shuffled(_differences(np.frombuffer(timestamps, "<i8"))),
        _shuffled(np.frombuffer(values, "<f8")),
    )


def unfiltered(steps: bytes, timestamps: bytes, values: bytes) -> tuple[bytes, bytes, bytes]:
    """What `filtered` was given."""
    return (
        np.cumsum(_unshuffled(steps).view("<i8"), dtype="<i8").tobytes(),
        np.cumsum(_unshuffled(timestamps).view("<i8"), dtype="<i8").tobytes(),
        _unshuffled(values).tobytes(),
    )


def _differences(column: Ints) -> Ints:
    # int64 wraps around, and so does cumsum on the way back: the extremes survive.
    differences = column.copy()
    differences[1:] -= column[:-1]
    return differences


def _shuffled(column: Ints | Floats) -> bytes:
    return column.view("u1").reshape(-1, 8).T.tobytes()


def _unshuffled(column: bytes) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(np.frombuffer(column, "u1").reshape(8, -1).T).reshape(-1)
