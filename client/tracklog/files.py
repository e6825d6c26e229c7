"""The writing end of a run's files: what was logged is in the spool when the call returns, whatever comes."""

import contextlib
import errno
import fcntl
import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from tracklog.records import FILE, LARGE
from tracklog.spool import write_all
from tracklog.stream import Stream
from tracklog.values import BadInput

_log = logging.getLogger("tracklog")

# A file up to this size is a record of its own; each larger one is a file in the spool too.
SMALL_BYTES_MAX: Final = 256 * 2**10
COPY_BYTES: Final = 2**20
PATH_BYTES_MAX: Final = 4_096
NAME_BYTES_MAX: Final = 255
PATH_NAMES_MAX: Final = 64
# Control characters, and what would end a URL's path, or begin a path elsewhere: `#`, `c:`, `file:`.
_REFUSED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\#]|(?:^|/)(?:[a-z]|file):", re.IGNORECASE)
# Linux's ioctl that lets two files share their blocks until one of them is written to.
_FICLONE: Final = 0x40049409

Data: TypeAlias = bytes | bytearray | memoryview | BinaryIO


class FileLog:
    """Puts files into a stream of files; any thread may use it, and forked children as they use the stream.

    Nothing here raises for a disk or a spool that is full: the user is told once, and the program goes on.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._told = False

    def add_file(self, local: Path, path: str, *, copy: bool) -> bool:
        """Log a file's present content at `path`; without `copy` only where it lies.

        Raises: BadInput, when it is no file that can be read.
        """
        try:
            fd = os.open(local, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise BadInput(f"{local} cannot be read: {error.strerror}") from None
        with os.fdopen(fd, "rb", buffering=0) as source:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                raise BadInput(f"{local} is no regular file")
            if facts.st_size <= SMALL_BYTES_MAX:
                return self._add_stream(source, path)
            if copy:
                return self._add_data(source, path, facts.st_size)
            return self._add_link(local, path, facts)

    def add_data(self, data: Data, path: str) -> bool:
        """Log bytes, or all that a binary stream gives from where it stands. Raises: BadInput."""
        if isinstance(data, (bytes, bytearray, memoryview)):
            try:
                view = memoryview(data).cast("B")
            except TypeError:
                raise BadInput("a memoryview must be contiguous") from None
            if len(view) <= SMALL_BYTES_MAX:
                return self._stream.append((FILE, path, bytes(view)))
            return self._add_data(view, path, len(view))
        if not callable(getattr(data, "read", None)):
            raise BadInput(f"a file's content must be bytes or a binary stream, not {type(data).__name__}")
        return self._add_stream(data, path)

    def _add_stream(self, source: BinaryIO, path: str) -> bool:
        """A stream whose size shows only when it is read."""
        start = bytearray()
        for piece in _pieces(source):
            start += piece
            if len(start) > SMALL_BYTES_MAX:
                return self._add_data(source, path, len(start), bytes(start))
        return self._stream.append((FILE, path, bytes(start)))

    def _add_data(self, source: BinaryIO | memoryview, path: str, size: int, start: bytes = b"") -> bool:
        """Copy to a data file of its own what is at least `size` bytes long, `start` included."""
        if not self._has_room(path, size):
            return False
        data_path = self._new_data_path()
        try:
            fd = os.open(data_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                written = self._fill(fd, source, start, size)
            finally:
                os.close(fd)
        except OSError as error:
            _remove(data_path)
            return self._tell(path, error.strerror or str(error))
        except BaseException:
            _remove(data_path)
            raise
        return self._add_large(path, data_path, written, None)

    def _fill(self, fd: int, source: BinaryIO | memoryview, start: bytes, taken: int) -> int:
        """Write all of a source; how many bytes these are. Raises: OSError, BadInput."""
        if isinstance(source, memoryview):
            write_all(fd, source)
            return len(source)
        if not start and _clone(fd, source):
            return os.fstat(fd).st_size
        write_all(fd, start)
        written = len(start)
        for piece in _pieces(source):
            if written + len(piece) > taken:
                # A stream tells its size only at its end.
                if not self._stream.take_room(len(piece)):
                    raise OSError(errno.ENOSPC, "the spool is full (TRACKLOG_SPOOL_BYTES_MAX)")
                taken += len(piece)
            write_all(fd, piece)
            written += len(piece)
        return written

    def _add_link(self, local: Path, path: str, facts: os.stat_result) -> bool:
        if not self._has_room(path, 0):
            return False
        link = self._new_data_path()
        try:
            link.symlink_to(local.absolute())
        except OSError as error:
            return self._tell(path, error.strerror or str(error))
        return self._add_large(path, link, facts.st_size, facts.st_mtime_ns)

    def _add_large(self, path: str, data_path: Path, size: int, mtime_ns: int | None) -> bool:
        record = (LARGE, path, data_path.name, size, mtime_ns)
        is_copy = mtime_ns is None
        if self._stream.append_data(record, data_path) if is_copy else self._stream.append(record):
            return True
        _remove(data_path)
        return False

    def _has_room(self, path: str, size: int) -> bool:
        room = self._stream.take_room(size)
        if room is False:
            self._tell(path, f"the spool has no room for {size:,} bytes more (TRACKLOG_SPOOL_BYTES_MAX)")
        return bool(room)

    def _new_data_path(self) -> Path:
        return self._stream.outbox.file(f"{self._stream.name}.{os.urandom(8).hex()}.data")

    def _tell(self, path: str, reason: str) -> bool:
        if not self._told:
            self._told = True
            _log.error(
                "tracklog: the file %s was not logged: %s. The program goes on; of further files for which"
                " there is no room nothing is said.",
                path,
                reason,
            )
        return False


def artifact_path(text: str, *, root: bool = False) -> str:
    """A path below a run's artifacts, without slashes at its ends; with `root` it may be "", their root.

    Raises: BadInput, for what any server refuses.
    """
    if not isinstance(text, (str, os.PathLike)):
        raise BadInput(f"a file's path must be text, not {type(text).__name__}")
    path = os.fspath(text)
    if not isinstance(path, str):
        raise BadInput("a file's path must be text, not bytes")
    names = path.rstrip("/").split("/") if path.rstrip("/") else []
    try:
        size = len(path.encode())
        is_long = any(len(name.encode()) > NAME_BYTES_MAX for name in names)
    except UnicodeEncodeError:
        raise BadInput(f"the path {path!r} is no text") from None
    if (not names and (path or not root)) or any(not name.strip(". ") for name in names):
        raise BadInput(f"{path!r} is no path below a run's files")
    if found := _REFUSED.search(path):
        raise BadInput(f"the path {path!r} holds {found[0]!r}, which no file's path may have there")
    if size > PATH_BYTES_MAX or is_long or len(names) > PATH_NAMES_MAX:
        raise BadInput(f"the path {path[:100]!r} is too long")
    return "/".join(names)


def files_below(directory: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a directory, with its path relative to it; links to directories are not followed."""
    for folder, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            local = Path(folder, name)
            yield local, local.relative_to(directory).as_posix()


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(COPY_BYTES):
        if not isinstance(piece, bytes):
            raise BadInput(f"the stream must be binary: it gives {type(piece).__name__}")
        yield piece


def _clone(fd: int, source: BinaryIO) -> bool:
    """Let the new file share the blocks of the source, where the file system can: at once, and no room."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.ioctl(fd, _FICLONE, source.fileno())
        return True
    return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
