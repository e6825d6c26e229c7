"""GETs of files and of ranges of them from wherever a server says, tried again while there is hope."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from tracklog.artifact import Artifact, Owner
from tracklog.artifact_api import ArtifactApi, NoEndpoint, rejected
from tracklog.link import Failure
from tracklog.post import NotNow
from tracklog.putting import Links, Place
from tracklog_contract.errors import Rejected, Unavailable

READ_BYTES: Final = 2**20
PAUSE_S: Final = 0.2
PAUSE_MAX_S: Final = 5.0

_T = TypeVar("_T")


class Replaced(Exception):
    """The file is another than the one of which a part has been read."""


class _Refused(Exception):
    """The store does not give the file by this URL."""


@dataclass(frozen=True)
class Remote:
    """A file at the server, and from where it is to be had for some minutes."""

    path: str
    size: int
    sha256: str
    etag: str
    place: Place

    def is_same(self, other: "Remote") -> bool:
        """Are both the same version of the file."""
        return (self.size, self.sha256, self.etag) == (other.size, other.sha256, other.etag)


class Getter:
    """Reads files of one owner; any number of threads may share it."""

    def __init__(self, api: ArtifactApi, owner: Owner, patience_s: float) -> None:
        """A request is tried again for `patience_s` seconds from the last progress on."""
        self._api = api
        self._owner = owner
        self._patience_s = patience_s
        self._links = Links()
        self._asking = threading.Lock()
        self._last_progress = 0.0
        self._stopping = False
        self.got_bytes = 0

    def stop(self) -> None:
        """Have every thread give up at its next piece."""
        self._stopping = True

    def close(self) -> None:
        """End the connections, once the threads have ended."""
        self._links.close()

    def find(self, paths: Sequence[str]) -> list[Remote | Rejected]:
        """The files at these paths, or why there is none. Raises: Rejected; Unavailable."""
        return self._patiently(lambda: self._ask(paths))

    def entries(self, path: str, *, recursive: bool = True) -> list[Artifact]:
        """All files below a directory, or what lies in it. Raises: Rejected; Unavailable."""
        return self._patiently(lambda: list(self._api.entries(self._owner, path, recursive=recursive)))

    def find_one(self, path: str) -> Remote:
        """The file at a path. Raises: Rejected, when there is none; Unavailable."""
        return _found(self.find([path])[0])

    def get(self, remote: Remote, start: int, size: int, write: Callable[[memoryview, int], None]) -> None:
        """Read a range of a file, or all of it; `write` is given each piece and where in the file it belongs.

        Raises: Replaced; Rejected, when it is gone; Unavailable, when the store does not give it; OSError,
        from `write`.
        """
        at, end = start, start + size
        current = remote

        def go_on() -> None:
            nonlocal at, current
            try:
                for piece in self._pieces(current, at, end):
                    write(piece, at)
                    at += len(piece)
                    self.count(len(piece))
            except _Refused as error:
                # The URL has expired, most likely.
                (answer,) = self._ask([remote.path])
                current = _found(answer)
                if not current.is_same(remote):
                    raise Replaced from None
                raise NotNow(str(error)) from None
            if at < end:
                raise NotNow(f"{_host(remote)} gives a file only in part")

        self._patiently(go_on)

    def count(self, size: int) -> None:
        """So many bytes more are there."""
        with self._asking:
            self.got_bytes += size
            self._last_progress = time.monotonic()

    def _ask(self, paths: Sequence[str]) -> list[Remote | Rejected]:
        with self._asking:
            answers = self._api.downloads(self._owner, paths)
        return [_remote(answer) for answer in answers]

    def _patiently(self, work: Callable[[], _T]) -> _T:
        """What `work` gives, called again while it raises NotNow.

        Raises: Unavailable, in the end; NoEndpoint, at once.
        """
        began, pause_s = time.monotonic(), PAUSE_S
        while True:
            try:
                return work()
            except NoEndpoint:
                raise
            except NotNow as error:
                last = max(began, self._last_progress)
                if self._stopping or time.monotonic() > last + self._patience_s:
                    raise Unavailable(error.reason) from error
                time.sleep(min(max(pause_s, error.retry_after_s or 0.0), PAUSE_MAX_S))
                pause_s *= 2

    def _pieces(self, remote: Remote, start: int, end: int) -> Iterator[memoryview]:
        """The bytes from `start` to before `end`, each piece good until the next.

        Raises: _Refused; NotNow.
        """
        if start >= end:
            return
        link, target = self._links.to(remote.place.url)
        headers = dict(remote.place.headers)
        is_whole = (start, end) == (0, remote.size)
        if not is_whole:
            headers["Range"] = f"bytes={start}-{end - 1}"
        buffer = memoryview(bytearray(min(READ_BYTES, end - start)))
        try:
            with link.opened("GET", target, b"", headers) as answer:
                _check(answer.status, 200 if is_whole else 206, remote)
                while count := answer.readinto(buffer):
                    if self._stopping:
                        raise NotNow("nobody waits for it any more")
                    yield buffer[:count]
        except Failure as error:
            raise NotNow(f"{_host(remote)} cannot be reached ({error or type(error).__name__})") from error


def _check(status: int, expected: int, remote: Remote) -> None:
    if status == expected:
        return
    reason = f"{_host(remote)} does not give a file ({status})"
    if 400 <= status < 500 and status not in (408, 429):
        raise _Refused(reason)
    raise NotNow(reason)


def _host(remote: Remote) -> str:
    return f"the store at {urlsplit(remote.place.url).netloc}"


def _remote(answer: Mapping[str, Any]) -> Remote | Rejected:
    if answer.get("state") == "refused":
        return rejected(answer)
    return Remote(
        str(answer["path"]),
        int(answer["size"]),
        str(answer.get("sha256") or ""),
        str(answer.get("etag") or ""),
        Place.of(answer),
    )


def _found(remote: Remote | Rejected) -> Remote:
    if isinstance(remote, Rejected):
        raise remote
    return remote
