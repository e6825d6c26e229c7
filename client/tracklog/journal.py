"""The sender's memory: which request covers which bytes, kept so that a kill at any moment changes nothing.

Before a request is sent, the journal says on disk which producer and sequence number cover which bytes of
which segments, and how far every other stream is acknowledged. Whatever happens then, the same request can
be sent again; the server stores it once. Two slots are written in turn, so one is always whole, and their
room is taken beforehand: a full disk can still be emptied.
"""

import contextlib
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self
from zlib import crc32

import msgpack

from tracklog.spool import sync_file

_SLOT: Final = struct.Struct("<QII")
SLOT_BYTES_MIN: Final = 2**16


class Range(NamedTuple):
    """Bytes of a segment, from `start` to before `end`."""

    stream: str
    number: int
    start: int
    end: int


@dataclass(frozen=True)
class State:
    """What must be remembered.

    `sequence` is the next request's number, or that of the one under way, which covers `sending`. Of each
    stream, `acknowledged` says up to which segment and offset the server has it.
    """

    producer: bytes
    sequence: int = 1
    sending: tuple[Range, ...] = ()
    acknowledged: dict[str, tuple[int, int]] = field(default_factory=dict)


class Journal:
    """A file of two slots; only the process that holds the outbox's lock may open it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises: OSError."""
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._slot_bytes = SLOT_BYTES_MIN
        self._generation = 0
        self.state: State | None = None
        size = os.fstat(self._fd).st_size
        if size:
            self._slot_bytes = size // 2
            for slot in (0, 1):
                self._read(slot)
        else:
            _take_room(self._fd, 2 * self._slot_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def write(self, state: State, *, durably: bool) -> None:
        """Remember `state`; `durably` even through a power cut.

        Raises: OSError; then what was remembered before still is.
        """
        payload = msgpack.packb([state.producer, state.sequence, state.sending, state.acknowledged])
        if _SLOT.size + len(payload) > self._slot_bytes:
            self._grow(_SLOT.size + len(payload))
        generation = self._generation + 1
        data = _SLOT.pack(generation, len(payload), crc32(payload)) + payload
        if os.pwrite(self._fd, data, generation % 2 * self._slot_bytes) != len(data):
            raise OSError(f"{self._path} cannot be written")
        self._generation = generation
        self.state = state
        if durably:
            sync_file(self._fd)

    def _read(self, slot: int) -> None:
        data = os.pread(self._fd, self._slot_bytes, slot * self._slot_bytes)
        if len(data) < _SLOT.size:
            return
        generation, length, checksum = _SLOT.unpack_from(data)
        payload = data[_SLOT.size : _SLOT.size + length]
        if generation <= self._generation or crc32(payload) != checksum or not payload:
            return
        producer, sequence, sending, acknowledged = msgpack.unpackb(payload)
        self._generation = generation
        self.state = State(
            producer,
            sequence,
            tuple(Range(*item) for item in sending),
            {stream: (number, offset) for stream, (number, offset) in acknowledged.items()},
        )

    def _grow(self, needed: int) -> None:
        """Move to a file with larger slots, the present state with it."""
        slot_bytes = self._slot_bytes
        while slot_bytes < needed:
            slot_bytes *= 2
        temporary = self._path.with_suffix(".new")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _take_room(fd, 2 * slot_bytes)
            slot = self._generation % 2
            data = os.pread(self._fd, self._slot_bytes, slot * self._slot_bytes)
            os.pwrite(fd, data, slot * slot_bytes)
            os.fsync(fd)
            temporary.rename(self._path)
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd, self._slot_bytes = fd, slot_bytes


def _take_room(fd: int, size: int) -> None:
    os.ftruncate(fd, size)
    with contextlib.suppress(OSError, AttributeError):
        os.posix_fallocate(fd, 0, size)
