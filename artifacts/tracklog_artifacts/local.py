"""The artifact store in a local directory."""

import asyncio
import errno
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from tracklog_artifacts import files
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import Entry
from tracklog_contract.errors import INVALID, NOT_FOUND, Busy, Rejected, TracklogError, Unavailable

# One piece of a file in memory; with 64 uploads at once this stays far below the memory of the process.
CHUNK_BYTES: Final = 256 * 1024
# Threads of their own: a slow disk must not take the process's other work with it.
THREADS: Final = 16

_IMPOSSIBLE: Final = {errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
_UNNAMEABLE: Final = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE}

_P = ParamSpec("_P")
_T = TypeVar("_T")


class LocalStore:
    """An `ArtifactStore` under `root`, safe to share between processes.

    Raises: Unavailable, when `root` cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = Threads(ThreadPoolExecutor(THREADS, thread_name_prefix="artifacts"))
        try:
            files.prepare(root)
        except OSError as error:
            raise Unavailable(f"The artifact root '{root}' cannot be used: {error.strerror}.") from error

    @asynccontextmanager
    async def open(self, path: ArtifactPath) -> AsyncIterator["LocalFile"]:
        """As `ArtifactStore.open`."""
        file = await self._threads.run(_open_existing, self._root, _outside_incoming(path))
        try:
            yield LocalFile(file, self._threads)
        finally:
            file.close()

    async def write(self, path: ArtifactPath, chunks: AsyncIterable[bytes]) -> None:
        """As `ArtifactStore.write`."""
        staged = await self._threads.run(files.stage, self._root, _outside_incoming(path))
        try:
            async for piece in _gathered(chunks):
                await self._threads.run(staged.file.write, piece)
            await self._threads.run(files.publish, self._root, staged, path)
        finally:
            await self._threads.run(files.discard, self._root, staged)

    async def entries(self, path: ArtifactPath) -> list[Entry]:
        """As `ArtifactStore.entries`."""
        return await self._threads.run(files.list_directory, self._root, path and _outside_incoming(path))

    async def delete(self, path: ArtifactPath) -> None:
        """As `ArtifactStore.delete`."""
        await self._threads.run(files.remove, self._root, _outside_incoming(path))


class LocalFile:
    """An `OpenArtifact` that is a local file."""

    def __init__(self, file: BufferedReader, threads: "Threads") -> None:
        self._file = file
        self._threads = threads
        facts = os.fstat(file.fileno())
        self.size_bytes = facts.st_size
        self.modified_s = facts.st_mtime
        # Every write makes a new inode, so two versions differ even within one tick of the clock.
        self.etag = f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"

    async def chunks(self, start: int, count: int) -> AsyncIterator[bytes]:
        """As `OpenArtifact.chunks`."""
        end = start + count
        while start < end:
            piece = await self._threads.run(_read_at, self._file, start, min(CHUNK_BYTES, end - start))
            if not piece:
                raise Unavailable("An artifact became shorter while it was read.")
            start += len(piece)
            yield piece


class Threads:
    """Runs blocking file work beside the event loop and turns the system's errors into ours."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work(*args)` returns.

        Raises: Rejected, Busy or Unavailable in place of an OSError.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, partial(work, *args, **kwargs))
        except OSError as error:
            raise _translated(error) from error


def _translated(error: OSError) -> TracklogError:
    if error.errno in _IMPOSSIBLE:
        return Rejected(
            INVALID, "The artifact path needs a directory where a file is, or a file where a directory is."
        )
    if error.errno in _UNNAMEABLE:
        return Rejected(
            INVALID,
            "The artifact store cannot hold a file of this name: it is too long or has odd characters.",
        )
    if error.errno in _EXHAUSTED:
        return Busy("The server has too many files open.")
    if error.errno in _FULL:
        return Unavailable(
            "The artifact store has no space left; nothing was stored. Free space on the server."
        )
    return Unavailable(f"The artifact store failed: {error.strerror}.")


def _outside_incoming(path: ArtifactPath) -> ArtifactPath:
    # Some file systems take no notice of case.
    if path[0].casefold() == files.INCOMING:
        raise Rejected(INVALID, "Invalid path")
    return path


def _open_existing(root: Path, path: ArtifactPath) -> BufferedReader:
    text = "/".join(path)
    try:
        return files.open_file(root, path)
    except IsADirectoryError:
        raise Rejected(INVALID, f"Artifact path refers to a directory, not a file: '{text}'") from None
    except (FileNotFoundError, NotADirectoryError):
        raise Rejected(NOT_FOUND, f"No such artifact: '{text}'") from None


def _read_at(file: BufferedReader, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


async def _gathered(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces worth a trip to a thread."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
