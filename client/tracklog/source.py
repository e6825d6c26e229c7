"""The reading end of a stream: its segments in order, from where the server has acknowledged them."""

import contextlib
import logging
import os
import resource
from collections.abc import Mapping
from typing import Any, Final

from tracklog import records, rejections
from tracklog.journal import Range
from tracklog.records import DATA_START, FRAME, HEADER, Record
from tracklog.rejections import Rejection
from tracklog.spool import Outbox, lock, sync_file, write_whole

_log = logging.getLogger("tracklog")

HEADER_BYTES_MAX: Final = 2**17


def allow_open_files(count: int) -> None:
    """Let this process have about `count` files open, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Source:
    """One stream of an outbox.

    `number` and `offset` are what the server has acknowledged. A segment is deleted when all of it is and
    nothing more can come: there is a next one, or its writer is gone, which its lock tells.
    """

    def __init__(self, outbox: Outbox, name: str, numbers: list[int], number: int, offset: int) -> None:
        """Raises: OSError, when the first segment cannot be read."""
        self.outbox = outbox
        self.name = name
        self.numbers = numbers
        self.number = number
        self.offset = offset
        self.finished = False
        # When a run that is not there yet may be asked for again, and since when it has been missing.
        self.not_before = 0.0
        self.missing_since: float | None = None
        self.run_id = ""
        self.url: str | None = None
        self.begin: Mapping[str, Any] | None = None
        # Where the present segment's first record ends, which says whose it is.
        self.header_end = DATA_START
        self._fd = -1
        self._open()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def is_live(self) -> bool:
        """May its writer still be there."""
        return not self.finished and not (self._fd >= 0 and lock(self._fd))

    def pending_bytes(self) -> int:
        """How much there is that the server has not acknowledged."""
        if self.finished:
            return 0
        total = max(0, os.fstat(self._fd).st_size - self.offset)
        for number in self.numbers:
            if number > self.number:
                with contextlib.suppress(OSError):
                    total += self.outbox.segment_path(self.name, number).stat().st_size
        return total

    def read(self, bytes_max: int) -> list[Record]:
        """The next records, about `bytes_max` of them and at least one; none when there are none now.

        Segments that have nothing more to give are deleted on the way. Raises: OSError.
        """
        while not self.finished:
            found = self._scan(bytes_max)
            if found.records:
                return found.records
            if not self._is_closed():
                return []
            # The writer may have written between the look at the data and the look at its lock.
            found = self._scan(bytes_max)
            if found.records:
                return found.records
            if found.rest:
                self._set_rest_aside(found.rest)
            self._next_segment()
        return []

    def read_ahead(self, start: int, bytes_max: int) -> list[Record]:
        """The records of the present segment from `start` on, as `read` gives them. Raises: OSError."""
        return self._scan(bytes_max, start).records

    def read_again(self, wanted: Range) -> list[Record] | None:
        """The records of a range that was read before; None when its segment is gone. Raises: OSError."""
        if self.finished or wanted.number != self.number:
            return None
        data = os.pread(self._fd, wanted.end - wanted.start, wanted.start)
        found = records.scan(data, wanted.start)
        return found.records or None

    def acknowledge(self, end: int, *, durably: bool = False) -> None:
        """The server has everything before `end` of the present segment; tells a flushing writer.

        Raises: OSError, where it is to be remembered `durably`, even through a power cut, and cannot be.
        """
        self.offset = end
        self.missing_since = None
        try:
            os.pwrite(self._fd, records.preamble(end), 0)
            if durably:
                sync_file(self._fd)
        except OSError:
            if durably:
                raise

    def _open(self) -> None:
        self._fd = os.open(self.outbox.segment_path(self.name, self.number), os.O_RDWR | os.O_CLOEXEC)
        self.offset = max(self.offset, records.acknowledged(os.pread(self._fd, DATA_START, 0)), DATA_START)
        first = records.scan(os.pread(self._fd, HEADER_BYTES_MAX, DATA_START), DATA_START).records
        if first and first[0].kind == HEADER:
            header = first[0].fields[0]
            self.run_id, self.url, self.begin = header["run_id"], header["url"], header["begin"]
            self.header_end = first[0].end

    def _scan(self, bytes_max: int, start: int | None = None) -> records.Scan:
        start = self.offset if start is None else start
        found = records.scan(os.pread(self._fd, bytes_max, start), start)
        if found.records or found.rest != "short":
            return found
        # One record alone may be larger.
        head = os.pread(self._fd, FRAME.size, start)
        if len(head) < FRAME.size:
            return found
        length = FRAME.unpack(head)[0] + FRAME.size
        if length <= bytes_max:
            return found
        return records.scan(os.pread(self._fd, length, start), start)

    def _is_closed(self) -> bool:
        return self.numbers[-1] > self.number or lock(self._fd)

    def _set_rest_aside(self, rest: str) -> None:
        """The end of a segment is no record: cut short by a kill, or damaged; damage is kept and told."""
        data = os.pread(self._fd, os.fstat(self._fd).st_size - self.offset, self.offset)
        if rest == "short" or not any(data) or _is_last(data):
            _log.info("%s: %d bytes of a record that was never whole", self.name, len(data))
            return
        path = self.outbox.file(f"{self.name}.{self.number:08d}.damaged")
        write_whole(path, data)
        words = f"{len(data)} bytes of the spool are damaged; they are kept in {path}"
        damage = Rejection(self.run_id, "spool", "", 0, "DATA_LOSS", words)
        rejections.keep(self.outbox, self.name, f"damage-{self.number}", [(damage, {})])

    def _next_segment(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.outbox.segment_path(self.name, self.number).unlink()
        self.close()
        self.numbers = [number for number in self.numbers if number > self.number]
        while self.numbers:
            self.number, self.offset = self.numbers[0], 0
            try:
                self._open()
            except FileNotFoundError:
                # Somebody has deleted it; there is no more to say about it.
                del self.numbers[0]
            else:
                return
        self.finished = True


def _is_last(data: bytes) -> bool:
    """Is this one record with a wrong checksum at the very end, as a power cut leaves it."""
    length = FRAME.unpack_from(data)[0] if len(data) >= FRAME.size else 0
    return length + FRAME.size >= len(data)
