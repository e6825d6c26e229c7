"""The artifact store in a local directory."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from tracklog_artifacts import files, local_multipart, signing, small_files
from tracklog_artifacts.incoming import CHUNK_BYTES, checked, gathered
from tracklog_artifacts.parts import PART_BYTES_MIN, PARTS_MAX
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.signing import Grant
from tracklog_artifacts.store import Bundles, Entry, Part, SignedRequest, SmallFile, Stat
from tracklog_artifacts.threads import Threads, translated
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected, Unavailable

# Threads of their own: a slow disk must not take the process's other work with it.
THREADS: Final = 16
# Of many small files, what a thread writes in one go.
SHARE_FILES: Final = 64


class LocalStore:
    """An `ArtifactStore` under `root`, safe to share between processes; its URLs lead to this server.

    Raises: Unavailable, when `root` cannot be made or written to.
    """

    part_bytes_min = PART_BYTES_MIN
    parts_max = PARTS_MAX

    def __init__(self, root: Path) -> None:
        self._root = root
        self.bundles: Bundles | None = self
        self._threads = Threads(ThreadPoolExecutor(THREADS, thread_name_prefix="artifacts"))
        try:
            files.prepare(root)
            self._key = files.key(root, signing.new_key())
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

    async def write(
        self,
        path: ArtifactPath,
        chunks: AsyncIterable[bytes],
        *,
        size_bytes: int | None = None,
        sha256: str = "",
    ) -> Stat:
        """As `ArtifactStore.write`."""
        path = _outside_incoming(path)
        if size_bytes is not None and size_bytes <= CHUNK_BYTES:
            # One trip to a thread, not four: for a small file they are most of the work.
            data = b"".join([chunk async for chunk in checked(chunks, size_bytes)])
            return await self._threads.run(_write_whole, self._root, path, data, sha256)
        staged = await self._threads.run(files.stage, self._root, path)
        try:
            digest = await self._fill(staged, gathered(checked(chunks, size_bytes)), sha256)
            facts = await self._threads.run(files.publish, self._root, staged, path, digest)
        finally:
            await self._threads.run(files.discard, self._root, staged)
        return _stat(facts, digest)

    async def write_all(self, small: Sequence[SmallFile]) -> Sequence[Stat | Rejected]:
        """As `Bundles.write_all`."""
        shares = [small[begin : begin + SHARE_FILES] for begin in range(0, len(small), SHARE_FILES)]
        written = await asyncio.gather(
            *(self._threads.run(_write_all, self._root, share) for share in shares)
        )
        return [outcome for share in written for outcome in share]

    async def write_part(
        self,
        path: ArtifactPath,
        upload_id: str,
        number: int,
        chunks: AsyncIterable[bytes],
        *,
        size_bytes: int | None = None,
    ) -> Part:
        """Store a part of a multipart upload, durably, in place of the one of this number.

        Raises: Rejected, storing nothing, when the bytes are not of this size, or there is no such upload.
        """
        if not 1 <= number <= self.parts_max:
            raise Rejected(INVALID, f"Parts are numbered from 1 to {self.parts_max}.")
        await self.parts(path, upload_id)
        staged = await self._threads.run(files.stage_part, self._root)
        try:
            etag = await self._fill(staged, gathered(checked(chunks, size_bytes)))
            stored_bytes = staged.file.tell()
            await self._threads.run(
                local_multipart.publish_part, self._root, path, upload_id, number, staged, etag
            )
        finally:
            await self._threads.run(files.discard, self._root, staged)
        return Part(number, stored_bytes, etag)

    async def _fill(self, staged: files.Staged, pieces: AsyncIterable[bytes], sha256: str = "") -> str:
        """Write these bytes; their SHA-256, which must be `sha256` if that is given."""
        seen = hashlib.sha256()

        def take(piece: bytes) -> None:
            seen.update(piece)
            staged.file.write(piece)

        async for piece in pieces:
            await self._threads.run(take, piece)
        return _checked_digest(seen.hexdigest(), sha256)

    async def entries(self, path: ArtifactPath) -> list[Entry]:
        """As `ArtifactStore.entries`."""
        return await self._threads.run(files.list_directory, self._root, path and _outside_incoming(path))

    async def delete(self, path: ArtifactPath) -> None:
        """As `ArtifactStore.delete`."""
        await self._threads.run(files.remove, self._root, _outside_incoming(path))

    async def stat(self, path: ArtifactPath) -> Stat | None:
        """As `ArtifactStore.stat`."""
        found = await self._threads.run(files.look, self._root, _outside_incoming(path))
        return None if found is None else _stat(*found)

    async def walk(self) -> AsyncIterator[tuple[ArtifactPath, Stat]]:
        """As `ArtifactStore.walk`."""
        pages = files.walk(self._root)
        while page := await self._threads.run(next, pages, None):
            for path, facts in page:
                yield path, _stat(facts)

    def sign_get(self, path: ArtifactPath, *, expires_s: int) -> SignedRequest:
        """As `ArtifactStore.sign_get`; good for HEAD too."""
        return self._signed(Grant("GET", path, _at(expires_s)))

    def sign_put(
        self, path: ArtifactPath, *, expires_s: int, size_bytes: int | None, sha256: str = ""
    ) -> SignedRequest:
        """As `ArtifactStore.sign_put`."""
        return self._signed(Grant("PUT", path, _at(expires_s), size_bytes, sha256))

    def sign_part(
        self, path: ArtifactPath, upload_id: str, number: int, *, expires_s: int, size_bytes: int | None
    ) -> SignedRequest:
        """As `ArtifactStore.sign_part`."""
        return self._signed(Grant("PUT", path, _at(expires_s), size_bytes, upload_id=upload_id, part=number))

    def sign_abort(self, path: ArtifactPath, upload_id: str, *, expires_s: int) -> SignedRequest:
        """As `ArtifactStore.sign_abort`."""
        return self._signed(Grant("DELETE", path, _at(expires_s), upload_id=upload_id))

    def _signed(self, grant: Grant) -> SignedRequest:
        _outside_incoming(grant.path)
        return SignedRequest(grant.method, signing.signed_url(self._key, grant), {})

    def granted(self, method: str, path: ArtifactPath, query: str) -> Grant:
        """What a URL of this store grants to who sends it with `method`.

        Raises: Rejected (PERMISSION_DENIED), when nothing.
        """
        return signing.granted(self._key, "GET" if method == "HEAD" else method, path, query, time.time())

    async def create_multipart(self, path: ArtifactPath) -> str:
        """As `ArtifactStore.create_multipart`."""
        return await self._threads.run(local_multipart.create, self._root, _outside_incoming(path))

    async def parts(self, path: ArtifactPath, upload_id: str) -> list[Part]:
        """As `ArtifactStore.parts`."""
        return await self._threads.run(local_multipart.parts, self._root, path, upload_id)

    async def complete_multipart(
        self, path: ArtifactPath, upload_id: str, parts: Sequence[tuple[int, str]]
    ) -> Stat:
        """As `ArtifactStore.complete_multipart`."""
        return _stat(await self._threads.run(local_multipart.complete, self._root, path, upload_id, parts))

    async def abort_multipart(self, path: ArtifactPath, upload_id: str) -> None:
        """As `ArtifactStore.abort_multipart`."""
        await self._threads.run(local_multipart.abort, self._root, path, upload_id)

    async def uploads(self) -> AsyncIterator[tuple[ArtifactPath, str, float]]:
        """As `ArtifactStore.uploads`."""
        for upload in await self._threads.run(local_multipart.uploads, self._root):
            yield upload


class LocalFile:
    """An `OpenArtifact` that is a local file."""

    def __init__(self, file: BufferedReader, threads: Threads) -> None:
        self._file = file
        self._threads = threads
        facts = os.fstat(file.fileno())
        self.size_bytes = facts.st_size
        self.modified_s = facts.st_mtime
        self.etag = _etag(facts)

    async def chunks(self, start: int, count: int) -> AsyncIterator[bytes]:
        """As `OpenArtifact.chunks`."""
        end = start + count
        while start < end:
            piece = await self._threads.run(_read_at, self._file, start, min(CHUNK_BYTES, end - start))
            if not piece:
                raise _shorter()
            start += len(piece)
            yield piece

    async def sendfile(self, socket: int, start: int, count: int) -> int:
        """Hand some of the `count` bytes from `start` on to a non-blocking socket, without copying; how many.

        Returns: 0, when the socket takes none now.
        Raises: ConnectionResetError, when the other side has left; Unavailable, as `chunks`.
        """
        sent = await self._threads.run(_sendfile, socket, self._file.fileno(), start, count)
        if sent is None:
            raise ConnectionResetError
        return sent


def _outside_incoming(path: ArtifactPath) -> ArtifactPath:
    # Some file systems take no notice of case.
    if path[0].casefold() == files.INCOMING:
        raise Rejected(INVALID, "Invalid path")
    return path


def _write_whole(root: Path, path: ArtifactPath, data: bytes, sha256: str) -> Stat:
    """Store these bytes as the file at `path`; they must have this SHA-256 if it is given."""
    digest = _checked_digest(hashlib.sha256(data).hexdigest(), sha256)
    staged = files.stage(root, path)
    try:
        staged.file.write(data)
        facts = files.publish(root, staged, path, digest)
    finally:
        files.discard(root, staged)
    return _stat(facts, digest)


def _write_all(root: Path, small: Sequence[SmallFile]) -> list[Stat | Rejected]:
    """Store these files, which are of different paths; what became of each."""
    outcomes: dict[ArtifactPath, Stat | Rejected] = {}
    good: list[SmallFile] = []
    for file in small:
        try:
            _outside_incoming(file.path)
            _checked_digest(hashlib.sha256(file.data).hexdigest(), file.sha256)
            good.append(file)
        except Rejected as error:
            outcomes[file.path] = error
    for file, facts in zip(good, small_files.write_all(root, good), strict=True):
        outcomes[file.path] = _refusal(facts) if isinstance(facts, OSError) else _stat(facts, file.sha256)
    return [outcomes[file.path] for file in small]


def _refusal(error: OSError) -> Rejected:
    """The error as one about a file alone.

    Raises: Busy or Unavailable, when it is none.
    """
    told = translated(error)
    if not isinstance(told, Rejected):
        raise told
    return told


def _checked_digest(seen: str, told: str) -> str:
    """The digest that was seen.

    Raises: Rejected, when another one was told.
    """
    if told not in ("", seen):
        raise Rejected(INVALID, "The bytes do not have the SHA-256 that was told; nothing was stored.")
    return seen


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


def _sendfile(socket: int, file: int, start: int, count: int) -> int | None:
    """How many bytes went; None when there is nobody to take them."""
    try:
        sent = os.sendfile(socket, file, start, count)
    except BlockingIOError:
        return 0
    except ConnectionError:
        return None
    if not sent:
        raise _shorter()
    return sent


def _shorter() -> Unavailable:
    return Unavailable("An artifact became shorter while it was read.")


def _etag(facts: os.stat_result) -> str:
    # Every write makes a new inode, so two versions differ even within one tick of the clock.
    return f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"


def _stat(facts: os.stat_result, sha256: str = "") -> Stat:
    return Stat(facts.st_size, _etag(facts), facts.st_mtime, sha256)


def _at(expires_s: int) -> int:
    return int(time.time()) + expires_s
