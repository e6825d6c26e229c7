"""The writing end of the spool: what one process logs to one run, appended record by record.

The layer under `Run`, and under any other front end: open a `Stream` for a run, append to it, flush it,
and ask it for what the server has refused. Nothing in here talks to the network.
"""

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgpack

from tracklog import records, rejections
from tracklog.config import Config, login_name
from tracklog.rejections import Rejection
from tracklog.spool import (
    Outbox,
    lock,
    new_stream_name,
    offline_outbox,
    outbox_for,
    spool_bytes,
    sync_file,
    sync_path,
    unlock,
    write_all,
)

_log = logging.getLogger("tracklog")

SEGMENT_BYTES: Final = 8 * 2**20
# So much may be put beside the segments before the next look at how much there is.
DATA_ROOM_BYTES: Final = 256 * 2**20
UNSYNCED_DATA_MAX: Final = 1_000
RETRY_AFTER_S: Final = 1.0
_POLL_MIN_S: Final = 0.002
_POLL_MAX_S: Final = 0.05


@dataclass(frozen=True)
class Target:
    """The run that a stream belongs to.

    `begin` is how the run comes to be where it is not there yet (README, "Native ingest"), and None in a
    process that only joins it. `url` is the server's, and None offline where nobody has named one. With
    `files` the stream is of the run's files, else of its values.
    """

    run_id: str
    url: str | None
    begin: Mapping[str, Any] | None = None
    offline: bool = False
    files: bool = False


class Stream:
    """Appends to segments of its own: one process, any number of threads; a forked child gets another.

    When an append returns True the record survives SIGKILL of the process, and a power cut after `sync`. It
    returns False when there is no room on the disk or in the spool, and has told the user.
    """

    def __init__(self, target: Target, config: Config, on_open: "Callable[[Stream], None]") -> None:
        """`on_open` is called at each segment's opening, with a lock held: it must return at once."""
        self.target = target
        self.outbox = _outbox(target, config)
        self._config = config
        self._on_open = on_open
        self._pack = msgpack.Packer().pack
        self._lost = 0
        self._begin_anew()
        _streams.add(self)

    def _begin_anew(self) -> None:
        self.name = new_stream_name()
        self.closed = False
        self._lock = threading.RLock()
        self._sync_lock = threading.Lock()
        self._number = -1
        self._fd = -1
        self._size = 0
        # What may be written before the next look at the segment's and the spool's limits.
        self._room = 0
        self._data_room = 0
        self._retry_at = 0.0
        self._unsynced: list[int] = []
        self._unsynced_data: list[Path] = []
        self._synced = (-1, 0)
        self._seen = (-1, 0)

    def append(self, record: Sequence[Any]) -> bool:
        """Append one record, made as records.py describes."""
        with self._lock:
            data = records.frame(self._pack(record))
            size = len(data)
            if size > self._room and not self._make_room(size):
                return False
            try:
                written = os.write(self._fd, data)
            except OSError as error:
                return self._out_of_order(str(error))
            if written != size:
                return self._cut_back()
            self._size += size
            self._room -= size
            if self._lost:
                self._in_order_again()
        return True

    def take_room(self, size: int) -> bool | None:
        """May a data file of `size` bytes be put beside the segments; None when nothing can be logged at all.

        From now on there is a segment for as long as the stream is open, which tells whose the data file is.
        """
        with self._lock:
            if self._fd < 0 or size > self._data_room:
                room = self._look_for_room(0)
                if room is None:
                    return None
                if room < size:
                    return False
                self._data_room = max(size, min(room, DATA_ROOM_BYTES))
            self._data_room -= size
            return True

    def append_data(self, record: Sequence[Any], path: Path) -> bool:
        """Append the record of a data file, which then outlives a power cut together with it."""
        with self._lock:
            if len(self._unsynced_data) >= UNSYNCED_DATA_MAX:
                # What was delivered before anybody had to sync it is gone.
                self._unsynced_data = [known for known in self._unsynced_data if known.exists()]
            self._unsynced_data.append(path)
            return self.append(record)

    def close(self) -> None:
        """Write no more; what is there will be delivered, and its files deleted."""
        with self._lock:
            self.closed = True
            self._room = 0
            if self._fd >= 0:
                unlock(self._fd)
            self._retire()

    def is_overdue(self) -> bool:
        """Is something not delivered that was already there when this was last asked."""
        seen, self._seen = self._seen, self.position
        return not self.is_delivered(seen)

    def sync(self) -> None:
        """Make what has been appended outlive a power cut, unless the server has it. Never raises."""
        with self._sync_lock:
            with self._lock:
                retired, self._unsynced = self._unsynced, []
                data, self._unsynced_data = self._unsynced_data, []
                fd, position = self._fd, self.position
            for path in data:
                # Before the record that names it; what has been delivered is no longer there.
                with contextlib.suppress(OSError):
                    sync_path(path)
            with contextlib.suppress(OSError):
                for old in retired:
                    if _acknowledged(old) < os.fstat(old).st_size:
                        sync_file(old)
                if position != self._synced and not self.is_delivered(position):
                    if fd >= 0:
                        sync_file(fd)
                    self.outbox.sync_directory()
                    self._synced = position
            for old in retired:
                os.close(old)

    @property
    def position(self) -> tuple[int, int]:
        """How much has been appended: the segment's number, and the offset in it."""
        return self._number, self._size

    def is_delivered(self, position: tuple[int, int] | None = None) -> bool:
        """Has the server acknowledged everything before `position`, or all that was appended."""
        with self._lock:
            number, size = position or self.position
            if number < 0:
                return True
            if self._fd >= 0 and self._number == number:
                return _acknowledged(self._fd) >= size
        # The sender deletes a segment when all of it is acknowledged and nothing more can come.
        return not self.outbox.segment_path(self.name, number).exists()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the server has acknowledged what was appended so far; True when it has.

        Offline that cannot be: then it makes sure that everything is on the disk, and answers False.
        """
        if self.target.offline:
            self.sync()
            return False
        position, deadline, pause_s = self.position, time.monotonic() + timeout_s, _POLL_MIN_S
        while not self.is_delivered(position):
            if time.monotonic() >= deadline:
                return False
            self.outbox.wake_sender()
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _POLL_MAX_S)
        return True

    def new_rejections(self) -> list[Rejection]:
        """What the server has refused of this stream since this was last asked, here or elsewhere."""
        return rejections.untold(self.outbox, self.name)

    def _make_room(self, size: int) -> bool:
        """Make sure that a record of `size` bytes can be written now; False when it cannot."""
        room = self._look_for_room(size)
        if room is None:
            return False
        self._room = min(room, max(size, SEGMENT_BYTES - self._size))
        return True

    def _look_for_room(self, size: int) -> int | None:
        """How many bytes there is room for, with a segment open; None when these are fewer than `size`."""
        if self.closed:
            raise ValueError("this run is finished here: tracklog.resume(run_id) goes on with it")
        if time.monotonic() < self._retry_at:
            self._lost += 1
            return None
        try:
            room = self._config.spool_bytes_max - spool_bytes(self._config.spool_dir)
            if room >= size and (self._fd < 0 or self._size >= SEGMENT_BYTES):
                self._open_next()
                room -= self._size
        except OSError as error:
            self._out_of_order(str(error))
            return None
        if room < size:
            self._out_of_order(
                f"the spool is full ({self._config.spool_bytes_max} bytes; TRACKLOG_SPOOL_BYTES_MAX)"
            )
            return None
        return room

    def _open_next(self) -> None:
        self.outbox.create()
        number = self._number + 1
        path = self.outbox.segment_path(self.name, number)
        temporary = path.with_suffix(".new")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # The lock tells the sender that this segment may still grow; others see it only once it is held.
            lock(fd)
            target = self.target
            begin = None if target.begin is None else dict(target.begin)
            header = {"run_id": target.run_id, "url": target.url, "begin": begin}
            data = records.preamble() + records.frame(msgpack.packb([records.HEADER, header]))
            write_all(fd, data)
            temporary.rename(path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._retire()
        self._fd, self._number, self._size = fd, number, len(data)
        self._on_open(self)

    def _retire(self) -> None:
        if self._fd >= 0:
            self._unsynced.append(self._fd)
            self._fd = -1

    def _cut_back(self) -> bool:
        """The disk took only a part of a record: leave none of it."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            # The reader cuts it off; the next record goes to a new segment.
            self._retire()
        return self._out_of_order("no space left on device")

    def _out_of_order(self, reason: str) -> bool:
        if not self._lost:
            _log.error(
                "tracklog: nothing can be logged for now: %s (%s). The program goes on; what it logs"
                " meanwhile is lost, and logging goes on when there is room again.",
                reason,
                self.outbox.path,
            )
        self._lost += 1
        self._room = 0
        self._data_room = 0
        self._retry_at = time.monotonic() + RETRY_AFTER_S
        return False

    def _in_order_again(self) -> None:
        _log.warning("tracklog: logging goes on; %d calls before were lost for want of room", self._lost)
        self._lost = 0

    def _forget_parent(self) -> None:
        """In a forked child: the segments are the parent's, and stay open and locked there."""
        was_closed = self.closed
        for fd in [self._fd, *self._unsynced]:
            if fd >= 0:
                os.close(fd)
        self._lost = 0
        self._begin_anew()
        self.closed = was_closed


def _acknowledged(fd: int) -> int:
    return records.acknowledged(os.pread(fd, records.DATA_START, 0))


def _outbox(target: Target, config: Config) -> Outbox:
    if target.offline:
        outbox = offline_outbox(config.spool_dir)
    else:
        assert target.url is not None
        outbox = outbox_for(config.spool_dir, target.url, login_name())
    return outbox.for_files() if target.files else outbox


_streams: "weakref.WeakSet[Stream]" = weakref.WeakSet()
_held: list[Stream] = []


def _before_fork() -> None:
    # Nobody is in the middle of opening a segment, whose descriptor the child would keep.
    for stream in sorted(_streams, key=id):
        stream._lock.acquire()  # noqa: SLF001 - the class's own other half
        _held.append(stream)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()  # noqa: SLF001 - as above


def _after_fork_in_child() -> None:
    while _held:
        _held.pop()._forget_parent()  # noqa: SLF001 - as above


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
