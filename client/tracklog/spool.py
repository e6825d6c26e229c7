"""The spool directory: an outbox for each server, one for offline runs, and the names of what lies in them.

| in the spool             | what it is |
|---|---|
| offline/                 | the outbox of runs that wait for `tracklog sync` |
| HOST_PORT_CHECKSUM/      | the outbox of one login at one server, which its file `url` names |
| …-files/                 | for each of these, an outbox of files, which do not hold up values |
| STREAM.NUMBER.segment    | what one process logged to one run, in order of the numbers |
| STREAM.*.data, .sha256   | a file that was logged, or a symbolic link to it, and its checksum once known |
| STREAM.*.refused         | the same, when the server has refused it |
| STREAM.rejected, .told   | what the server refused, as JSON lines, and how far the user has been told |
| journal                  | which request covers which bytes (journal.py) |
| sender.lock, sync.lock   | held by whoever delivers, and by whoever wants to do it by hand |
| wake                     | a FIFO: a byte in it makes the sender look at once |
| sent                     | how many bytes of files the sender has brought to the server since it began |
| status, sender.log       | what keeps the sender from delivering, and what it has to say |
"""

import contextlib
import errno
import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from tracklog.records import DATA_START, acknowledged

OFFLINE: Final = "offline"
_FILES: Final = "-files"
_SEGMENT: Final = re.compile(r"([0-9a-f]{24})\.(\d{8})\.segment")


class SegmentName(NamedTuple):
    """A segment: number 0, 1, 2, … of a stream."""

    stream: str
    number: int


def new_stream_name() -> str:
    """A name that no other stream has; names sort by age."""
    return f"{time.time_ns():016x}{os.urandom(4).hex()}"


class Outbox:
    """One directory of the spool, whose segments go to one server; `url` is None where that is not known."""

    def __init__(self, path: Path, url: str | None) -> None:
        self.path = path
        self.url = url

    @property
    def holds_files(self) -> bool:
        """Are its streams of files, and not of values."""
        return self.path.name.endswith(_FILES)

    def for_files(self) -> "Outbox":
        """The outbox of files beside an outbox of values."""
        return Outbox(self.path.with_name(self.path.name + _FILES), self.url)

    def for_values(self) -> "Outbox":
        """The outbox of values beside an outbox of files."""
        return Outbox(self.path.with_name(self.path.name.removesuffix(_FILES)), self.url)

    def create(self) -> None:
        """Make the directory when it is not there; safe for any number of processes at once.

        Raises: OSError.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.file("wake"), 0o600)
        if self.url is not None and not self.file("url").exists():
            write_whole(self.file("url"), self.url.encode())

    def file(self, name: str) -> Path:
        """The path of a file in it."""
        return self.path / name

    def segment_path(self, stream: str, number: int) -> Path:
        """The path of a segment."""
        return self.path / f"{stream}.{number:08d}.segment"

    def data_files(self, stream: str) -> list[Path]:
        """The data files of a stream of files that are there, and what belongs to them."""
        return sorted([*self.path.glob(f"{stream}.*.data"), *self.path.glob(f"{stream}.*.sha256")])

    def segments(self) -> list[SegmentName]:
        """The segments that are there, the oldest stream first."""
        with contextlib.suppress(FileNotFoundError):
            found = (_SEGMENT.fullmatch(path.name) for path in self.path.iterdir())
            return sorted(SegmentName(match[1], int(match[2])) for match in found if match)
        return []

    def waiting(self) -> dict[SegmentName, tuple[int, int]]:
        """Of each segment that is there, the offsets up to which it is acknowledged and written."""
        found = {}
        for name in self.segments():
            with contextlib.suppress(FileNotFoundError), self.segment_path(*name).open("rb") as file:
                found[name] = acknowledged(file.read(DATA_START)), os.fstat(file.fileno()).st_size
        return found

    def waiting_bytes(self) -> int:
        """How much there is that is not acknowledged, data files included, the linked ones too."""
        total = sum(written - have for have, written in self.waiting().values())
        if self.holds_files:
            for path in self.path.glob("*.data"):
                with contextlib.suppress(OSError):
                    total += path.stat().st_size
        return total

    def sent_bytes(self) -> int:
        """How much of files the present sender, or the last, says to have brought to the server."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.file("sent").read_text())
        return 0

    def wake_sender(self) -> None:
        """Have a running sender look at once."""
        with contextlib.suppress(OSError):
            fd = os.open(self.file("wake"), os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(fd, b"\0")
            finally:
                os.close(fd)

    def sync_directory(self) -> None:
        """Make names that were added or removed outlive a power cut."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def outbox_for(spool_dir: Path, url: str, login: str = "") -> Outbox:
    """The outbox of the server at `url` for what is logged by one `login` (config.py).

    Each login has its own: nothing may arrive in another's name, nor wait for another's token to be good.
    """
    place = re.sub(r"[^a-z0-9.]+", "_", url.partition("://")[2])[:80].strip("_")
    # These 32 bits are all of a token that the disk ever sees.
    checksum = crc32(login.encode(errors="surrogateescape"), crc32(url.encode()))
    return Outbox(spool_dir / f"{place}_{checksum:08x}", url)


def offline_outbox(spool_dir: Path) -> Outbox:
    """The outbox of runs that need no server."""
    return Outbox(spool_dir / OFFLINE, None)


def outboxes(spool_dir: Path) -> list[Outbox]:
    """Every server's outbox that is there."""
    return sorted(_outboxes(spool_dir), key=lambda outbox: outbox.path)


def _outboxes(spool_dir: Path) -> Iterator[Outbox]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in spool_dir.iterdir():
            with contextlib.suppress(OSError):
                yield Outbox(path, (path / "url").read_text())


def spool_bytes(spool_dir: Path) -> int:
    """How many bytes of what was logged lie in the whole spool, waiting or refused."""
    total = 0
    for directory, _, names in os.walk(spool_dir):
        for name in names:
            if not name.endswith((".segment", ".rejected", ".data", ".refused")):
                continue
            with contextlib.suppress(OSError):
                # A link is to a file that stays where it is.
                total += Path(directory, name).lstat().st_size
    return total


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that others see either all of it or what was there before."""
    # Threads may write the same file at the same time: each its own first.
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)
    temporary.replace(path)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte. Raises: OSError, when there is no room for the last."""
    view = memoryview(data)
    while view:
        written = os.write(fd, view)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def sync_file(fd: int) -> None:
    """Make a file's contents outlive a power cut. Raises: OSError."""
    # macOS has no call for the contents alone.
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_path(path: Path) -> None:
    """Make a closed file's contents outlive a power cut. Raises: OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(fd)
    finally:
        os.close(fd)


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock a file without waiting; the descriptor that holds the lock, None when another process does.

    Raises: OSError, when the file cannot be opened.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if lock(fd, shared=shared):
        return fd
    os.close(fd)
    return None


def lock(fd: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting; False when another process holds it."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(fd: int) -> None:
    """Let go of an open file's lock."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool:
    """Does a process hold the file's lock."""
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return not lock(fd, shared=True)
        finally:
            os.close(fd)
    return False
