"""What an artifact store promises, whatever it keeps its bytes in."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tracklog_artifacts.paths import ArtifactPath


@dataclass(frozen=True)
class Entry:
    """One item of a directory; `size_bytes` is None for a directory in it."""

    name: str
    size_bytes: int | None

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.size_bytes is None


class OpenArtifact(Protocol):
    """One version of a file, readable even while it is replaced or deleted.

    `etag`: differs between versions, no quotes. `modified_s`: seconds since 1970.
    """

    size_bytes: int
    etag: str
    modified_s: float

    def chunks(self, start: int, count: int) -> AsyncIterator[bytes]:
        """The bytes from `start` on, `count` of them, in pieces that fit in memory.

        Raises: Unavailable, when they can no longer be read.
        """


class ArtifactStore(Protocol):
    """A tree of files. Directories exist because files in them do; nothing is created by reading.

    All methods raise Rejected when the path cannot exist here (a file where a directory is needed, a name too
    long for the storage), and Unavailable when the storage fails.
    """

    def open(self, path: ArtifactPath) -> AbstractAsyncContextManager[OpenArtifact]:
        """The file at `path`, open for as long as the context lasts.

        Raises: Rejected, when there is no file (RESOURCE_DOES_NOT_EXIST) or it is a directory.
        """

    async def write(self, path: ArtifactPath, chunks: AsyncIterable[bytes]) -> None:
        """Store all of `chunks` as the file at `path`, durably: on return it survives a power cut.

        Readers see the old file or the whole new one. When `chunks` raises, nothing is stored and the error
        goes on to the caller. Of concurrent writes, the last to complete wins.
        """

    async def entries(self, path: ArtifactPath) -> list[Entry]:
        """The items of the directory at `path`, sorted by name; none when there is no such directory."""

    async def delete(self, path: ArtifactPath) -> None:
        """Remove the file or the directory with all it holds, durably; nothing there is fine too."""
