"""What an artifact store promises, whatever it keeps its bytes in."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tracklog_artifacts.paths import ArtifactPath
from tracklog_contract.errors import Rejected, Unavailable


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


@dataclass(frozen=True)
class SignedRequest:
    """A request that whoever has it may send to the store, once or more, until it expires.

    `url` begins with "/" where this server is the store: it is then relative to the address by which the
    client reached it, and answered by `signed_http`. `headers` are to be sent as they are; Content-Length,
    which every client sends by itself, is not among them.
    """

    method: str
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """A part of a multipart upload that is in the store; parts are numbered from 1."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class Stat:
    """What the store says of a file; `sha256` (lower-case hex) is "" where it keeps none."""

    size_bytes: int
    etag: str
    modified_s: float
    sha256: str = ""


@dataclass(frozen=True)
class SmallFile:
    """A file whose bytes are at hand, and the SHA-256 that they must have."""

    path: ArtifactPath
    data: bytes
    sha256: str


class Bundles(Protocol):
    """What a store can do that is this very process: take many small files at once."""

    async def write_all(self, small: Sequence[SmallFile]) -> Sequence[Stat | Rejected]:
        """Store each of these files as `ArtifactStore.write` does; what became of each, in order.

        Raises: Unavailable, when the storage fails; some of them may be stored then.
        """


class Misconfigured(Unavailable):
    """The store answers, but not to us, or not for this place: only its operator can change that."""


class ArtifactStore(Protocol):
    """A tree of files that clients also reach themselves, by signed requests.

    Directories exist because files in them do; nothing is created by reading. All methods raise Rejected when
    the path cannot exist here (a file where a directory is needed, a name too long for the storage), and
    Unavailable when the storage fails.

    Signing needs no round trip. A signed request is good for one object, one method and `expires_s` seconds,
    and a PUT for exactly the size, and where given the SHA-256, that was signed; the store refuses others.
    `part_bytes_min`: of every part but the last. `parts_max`: of one upload. `bundles`: None where clients
    reach a server of the store's own, which takes one file a request.
    """

    part_bytes_min: int
    parts_max: int
    bundles: Bundles | None

    def open(self, path: ArtifactPath) -> AbstractAsyncContextManager[OpenArtifact]:
        """The file at `path`, open for as long as the context lasts.

        Raises: Rejected, when there is no file (RESOURCE_DOES_NOT_EXIST) or it is a directory.
        """

    async def write(
        self,
        path: ArtifactPath,
        chunks: AsyncIterable[bytes],
        *,
        size_bytes: int | None = None,
        sha256: str = "",
    ) -> Stat:
        """Store all of `chunks` as the file at `path`, durably: on return it survives a power cut.

        Readers see the old file or the whole new one. When `chunks` raises, nothing is stored and the error
        goes on to the caller. Of concurrent writes, the last to complete wins.

        Returns: what was stored, with its SHA-256, which is computed on the way.
        Raises: Rejected, storing nothing, when the bytes are not of this size or SHA-256 (if given).
        """

    async def entries(self, path: ArtifactPath) -> list[Entry]:
        """The items of the directory at `path`, sorted by name; none when there is no such directory."""

    async def delete(self, path: ArtifactPath) -> None:
        """Remove the file or the directory with all it holds, durably; nothing there is fine too."""

    async def stat(self, path: ArtifactPath) -> Stat | None:
        """What is at `path`; None when there is no file."""

    def walk(self) -> AsyncIterator[tuple[ArtifactPath, Stat]]:
        """Every file of the store, page by page: for gc and its report. `sha256` is not looked up.

        The order is that of the paths' texts by code points, as S3 lists its keys: "a!" < "a/b" < "a0".
        """

    def sign_get(self, path: ArtifactPath, *, expires_s: int) -> SignedRequest:
        """A ranged or whole GET of the file, answered as a download that no browser runs."""

    def sign_put(
        self, path: ArtifactPath, *, expires_s: int, size_bytes: int | None, sha256: str = ""
    ) -> SignedRequest:
        """A PUT of the whole file. `size_bytes` None: any size, for clients that do not tell it."""

    def sign_part(
        self, path: ArtifactPath, upload_id: str, number: int, *, expires_s: int, size_bytes: int | None
    ) -> SignedRequest:
        """A PUT of one part of a multipart upload; its answer has the part's ETag."""

    def sign_abort(self, path: ArtifactPath, upload_id: str, *, expires_s: int) -> SignedRequest:
        """A DELETE that gives a multipart upload up."""

    async def create_multipart(self, path: ArtifactPath) -> str:
        """Begin a multipart upload; its id. It is there until it is completed or aborted."""

    async def parts(self, path: ArtifactPath, upload_id: str) -> Sequence[Part]:
        """The parts that are there, by number.

        Raises: Rejected (RESOURCE_DOES_NOT_EXIST), when there is no such upload. Of one that was completed,
        some stores still tell the parts.
        """

    async def complete_multipart(
        self, path: ArtifactPath, upload_id: str, parts: Sequence[tuple[int, str]]
    ) -> Stat:
        """Make the file of these parts (number, ETag with or without quotes), in this order, in one step.

        Raises: Rejected, when a part is missing, too small or another than its ETag says, or there is no such
        upload.
        """

    async def abort_multipart(self, path: ArtifactPath, upload_id: str) -> None:
        """Give up a multipart upload and its parts; one that is not there is fine too."""

    def uploads(self) -> AsyncIterator[tuple[ArtifactPath, str, float]]:
        """Every unfinished multipart upload: path, id and when it began, in seconds since 1970."""
