"""What is to be uploaded: a file on the disk or a stretch of one, with its checksums."""

import contextlib
import hashlib
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tracklog.spool import write_whole

READ_BYTES: Final = 2**20


class Changed(Exception):
    """The content is not there, or is another than the one that was logged."""


@dataclass(frozen=True)
class Content:
    """`size` bytes of a file from `offset` on.

    Where `mtime_ns` is given, the file must still have this time. `checksum_path` is where the SHA-256 is
    kept once it is known.
    """

    path: Path
    size: int
    offset: int = 0
    mtime_ns: int | None = None
    checksum_path: Path | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the file. Raises: Changed, at its opening or at the end."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Changed("the file is no longer there") from None
        except OSError as error:
            raise Changed(f"the file cannot be read any more ({error.strerror})") from None
        try:
            self._check(fd)
            yield fd
            self._check(fd)
        finally:
            os.close(fd)

    def sha256(self, on_read: Callable[[int], None] | None = None) -> str:
        """The SHA-256, in lower-case hex; kept, so that it is computed once.

        `on_read` is called with the size of each piece that has been read. Raises: Changed.
        """
        if self.checksum_path is not None:
            with contextlib.suppress(FileNotFoundError):
                return self.checksum_path.read_text()
        digest = hashlib.sha256()
        with self.opened() as fd:
            for piece in _pieces(fd, self.offset, self.size):
                digest.update(piece)
                if on_read is not None:
                    on_read(len(piece))
        checksum = digest.hexdigest()
        if self.checksum_path is not None:
            with contextlib.suppress(OSError):
                write_whole(self.checksum_path, checksum.encode())
        return checksum

    def read(self) -> bytes:
        """All of it, of a content that is small. Raises: Changed."""
        with self.opened() as fd:
            try:
                data = os.pread(fd, self.size, self.offset)
            except OSError as error:
                raise Changed(f"the file cannot be read any more ({error.strerror})") from None
        if len(data) < self.size:
            raise Changed("the file is shorter than when it was logged")
        return data

    def md5_header(self, fd: int, start: int, size: int) -> str:
        """The header Content-MD5 of a stretch, by which a store knows that it has arrived whole.

        Raises: Changed.
        """
        md5 = hashlib.md5(usedforsecurity=False)
        for piece in _pieces(fd, self.offset + start, size):
            md5.update(piece)
        return b64encode(md5.digest()).decode()

    def _check(self, fd: int) -> None:
        facts = os.fstat(fd)
        if self.mtime_ns is not None and (facts.st_size, facts.st_mtime_ns) != (self.size, self.mtime_ns):
            raise Changed("the file has changed since it was logged")
        if facts.st_size < self.offset + self.size:
            raise Changed("the file is shorter than when it was logged")


def _pieces(fd: int, start: int, size: int) -> Iterator[memoryview]:
    """A stretch of a file, piece by piece, each good until the next. Raises: Changed."""
    buffer = memoryview(bytearray(min(READ_BYTES, size)))
    while size:
        try:
            count = os.preadv(fd, [buffer[:size]], start)
        except OSError as error:
            raise Changed(f"the file cannot be read any more ({error.strerror})") from None
        if not count:
            raise Changed("the file is shorter than when it was logged")
        yield buffer[:count]
        start += count
        size -= count
