"""Downloads a file or a tree: many files at once, large ones in ranges, each verified and whole at once."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final, Self

from tracklog.artifact import Owner
from tracklog.artifact_api import ArtifactApi
from tracklog.content import Changed, Content
from tracklog.getting import Getter, Remote, Replaced
from tracklog.progress import bar
from tracklog.spool import lock, write_all
from tracklog_contract.errors import INVALID, Rejected, Unavailable

THREADS: Final = 8
RANGE_THREADS: Final = 4
# Larger files come in ranges of this size, a few at a time.
RANGE_BYTES: Final = 16 * 2**20
ASKED: Final = 200
PATIENCE_S: Final = 30.0
# A file that is replaced meanwhile, or arrives damaged, is fetched anew, so often.
TRIES: Final = 3


def download(
    api: ArtifactApi,
    owner: Owner,
    path: str,
    to: Path,
    *,
    root: str = "",
    patience_s: float = PATIENCE_S,
) -> Path:
    """Fetch the file or directory `path` to the same path below `to`, and tell where that is.

    With `root`, a directory in which `path` lies, paths below `to` are relative to that. What is there
    already with the same content is left alone, what is there else is replaced, each file at once. A large
    file of which a part has been fetched before is fetched from there on.
    Raises: Rejected, when there is no such file, or a name would lead out of `to`; Unavailable, when it does
    not come within `patience_s` of its last byte; OSError, when it cannot be written.
    """

    def place(remote_path: str) -> Path:
        below = remote_path.removeprefix(root).removeprefix("/") if root else remote_path
        # An empty name is no file's.
        return _inside(to, below or "/")

    found: Remote | Rejected | None = None
    with _Downloading(api, owner, place, patience_s) as downloading:
        if path:
            (found,) = downloading.getter.find([path])
            if isinstance(found, Remote):
                downloading.fetch([found], found.size)
                return place(path)
        entries = [entry for entry in downloading.getter.entries(path) if not entry.is_dir]
        if isinstance(found, Rejected) and not entries:
            raise found
        directory = to if path == root else place(path)
        directory.mkdir(parents=True, exist_ok=True)
        total = sum(entry.size or 0 for entry in entries)
        downloading.fetch(downloading.found([entry.path for entry in entries]), total)
        return directory


def download_file(
    api: ArtifactApi, owner: Owner, path: str, local: Path, *, patience_s: float = PATIENCE_S
) -> None:
    """Fetch one file to a place of any name. Raises: as `download`."""
    with _Downloading(api, owner, lambda _: local, patience_s) as downloading:
        remote = downloading.getter.find_one(path)
        downloading.fetch([remote], remote.size)


class _Downloading:
    """The threads of one download."""

    def __init__(
        self, api: ArtifactApi, owner: Owner, place: Callable[[str], Path], patience_s: float
    ) -> None:
        self.getter = Getter(api, owner, patience_s)
        self._place = place
        self._threads = ThreadPoolExecutor(THREADS, "tracklog-download")
        self._range_threads = ThreadPoolExecutor(RANGE_THREADS, "tracklog-ranges")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.getter.stop()
        for threads in (self._threads, self._range_threads):
            threads.shutdown(wait=True, cancel_futures=True)
        self.getter.close()

    def found(self, paths: Sequence[str]) -> Iterator[Remote]:
        """The files at these paths; those that have gone meanwhile are left out."""
        for start in range(0, len(paths), ASKED):
            for remote in self.getter.find(paths[start : start + ASKED]):
                if isinstance(remote, Remote):
                    yield remote

    def fetch(self, remotes: Iterable[Remote], total_bytes: int) -> None:
        """Fetch files, a few at a time, and show how far it is when it takes long."""
        running: set[Future[None]] = set()
        with bar(total_bytes, "downloading") as progress:
            for remote in remotes:
                running.add(self._threads.submit(self._fetch, remote))
                # No more wait than are asked for at once, so that their URLs are used before they expire.
                running = self._settled(running, 0.0 if len(running) < ASKED else None)
                progress.show(self.getter.got_bytes)
            while running:
                running = self._settled(running, 0.2)
                progress.show(self.getter.got_bytes)

    def _settled(self, running: set[Future[None]], timeout_s: float | None) -> set[Future[None]]:
        done, left = wait(running, timeout_s, FIRST_COMPLETED)
        for future in done:
            future.result()
        return left

    def _fetch(self, remote: Remote) -> None:
        """Fetch one file, verified, and put it in place in one step."""
        local = self._place(remote.path)
        if _is_there(local, remote):
            self.getter.count(remote.size)
            return
        local.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            with contextlib.suppress(Replaced):
                if remote.size > RANGE_BYTES:
                    is_whole = self._fetch_ranges(remote, local)
                else:
                    is_whole = self._fetch_whole(remote, local)
                if is_whole:
                    return
            remote = self.getter.find_one(remote.path)
        raise Unavailable(f"{remote.path} does not arrive as it was stored: its size or SHA-256 differs")

    def _fetch_whole(self, remote: Remote, local: Path) -> bool:
        part = local.with_name(f".{os.urandom(8).hex()}.part")
        digest = hashlib.sha256()
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:

            def write(piece: memoryview, _: int) -> None:
                digest.update(piece)
                write_all(fd, piece)

            self.getter.get(remote, 0, remote.size, write)
            is_whole = remote.sha256 in ("", digest.hexdigest())
            if is_whole:
                part.replace(local)
            return is_whole
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                part.unlink()

    def _fetch_ranges(self, remote: Remote, local: Path) -> bool:
        version = hashlib.sha256(f"{remote.path}\n{remote.size}\n{remote.sha256}\n{remote.etag}".encode())
        part = local.with_name(f".{version.hexdigest()[:24]}.part")
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if not lock(fd):
            # Another process is fetching the same: it is not waited for.
            os.close(fd)
            part = local.with_name(f".{os.urandom(12).hex()}.part")
            fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fetched = part.with_suffix(".fetched")
        try:
            try:
                self._fill(remote, fd, fetched)
            except (Replaced, Rejected):
                # Nobody will ask for the rest of it.
                part.unlink()
                fetched.unlink()
                raise
            is_whole = not remote.sha256 or _sha256(part, remote.size) == remote.sha256
            if is_whole:
                part.replace(local)
            else:
                part.unlink()
            fetched.unlink()
            return is_whole
        finally:
            os.close(fd)

    def _fill(self, remote: Remote, fd: int, fetched: Path) -> None:
        """Fetch the ranges that are not there; the file `fetched` has a byte for each, which tells."""
        count = -(-remote.size // RANGE_BYTES)
        os.truncate(fd, remote.size)
        done = os.open(fetched, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            there = os.pread(done, count, 0).ljust(count, b"\0")
            os.truncate(done, count)

            def fetch(number: int) -> None:
                start = number * RANGE_BYTES
                size = min(RANGE_BYTES, remote.size - start)
                self.getter.get(remote, start, size, lambda piece, at: _write_at(fd, piece, at))
                os.pwrite(done, b"\1", number)

            missing = [number for number in range(count) if not there[number]]
            self.getter.count(max(0, remote.size - len(missing) * RANGE_BYTES))
            running = [self._range_threads.submit(fetch, number) for number in missing]
            try:
                for future in wait(running, return_when=FIRST_EXCEPTION).done:
                    future.result()
            finally:
                for future in running:
                    future.cancel()
                # The descriptors are theirs until they have ended.
                wait(running)
        finally:
            os.close(done)


def _write_at(fd: int, piece: memoryview, at: int) -> None:
    while piece:
        written = os.pwrite(fd, piece, at)
        piece, at = piece[written:], at + written


def _is_there(local: Path, remote: Remote) -> bool:
    """Does the file lie there already, as it is at the server."""
    try:
        if not remote.sha256 or local.is_symlink() or local.stat().st_size != remote.size:
            return False
    except FileNotFoundError:
        return False
    return _sha256(local, remote.size) == remote.sha256


def _sha256(path: Path, size: int) -> str:
    """The checksum of a file, "" when it cannot be read as it is."""
    try:
        return Content(path, size).sha256()
    except Changed:
        return ""


def _inside(to: Path, path: str) -> Path:
    """Where a path lies below `to`.

    Raises: Rejected, when that would be elsewhere, by its name or by a symbolic link on the way.
    """
    names = path.split("/")
    is_odd = any(name in ("", ".", "..") or "\0" in name or "\\" in name for name in names)
    local = to.joinpath(*names)
    root = to.resolve()
    if is_odd or not local.parent.resolve().is_relative_to(root):
        raise Rejected(INVALID, f"the server's name {path!r} would lead out of {to}")
    return local
