"""What the event log knows of artifacts: the endpoints record there what they did, and list from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tracklog_artifacts.paths import ArtifactPath


@dataclass(frozen=True)
class StoredFile:
    """A file that is in the store, durably. `sha256`: lower-case hex, "" when nobody computed it.

    `replaces` is the ETag that was recorded at its path before its bytes were sent or looked at, "" when
    nothing was; None where nobody asked.
    """

    path: ArtifactPath
    size_bytes: int
    sha256: str = ""
    etag: str = ""
    replaces: str | None = None


@dataclass(frozen=True)
class Intent:
    """An upload that was signed and may arrive without a word: `size_bytes` is None when none was bound."""

    path: ArtifactPath
    size_bytes: int | None
    expires_at_s: float
    upload_id: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Listed:
    """An item of a listing: a file, or a directory, whose `size_bytes` is None."""

    path: ArtifactPath
    size_bytes: int | None
    sha256: str = ""
    etag: str = ""
    recorded_ms: int = 0


class Ledger(Protocol):
    """The log's side of artifacts. Reads see every write that was acknowledged before they began.

    Every path lies in a place: the root of a run, a logged model or a trace, as `paths.path_of_uri` gives it,
    wherever its experiment keeps its artifacts. All methods raise Rejected for a place that does not exist,
    or that the caller may not write to or read, and Unavailable as the log does.
    """

    async def stored(self, files: Sequence[StoredFile]) -> None:
        """Record these files, in place of what was at their paths; their intents are settled by it.

        Where somebody else has recorded another file since what this one `replaces`, nobody knows here which
        of them is in the store: that is remembered as an intent, and found out by whoever reads there next.

        Raises: Rejected (RESOURCE_LIMIT_EXCEEDED), recording none of them, when they exceed a storage quota.
        """

    async def removed(self, path: ArtifactPath) -> None:
        """Record that the file or directory at `path` is gone with all it held; nothing there is fine too."""

    async def intended(self, intents: Sequence[Intent]) -> Mapping[ArtifactPath, str]:
        """Remember uploads that may come; the ETags of files that are recorded at their paths.

        Their sizes count for quotas until they are settled or expire. One of the same path and upload id
        takes the place of the one before: an upload that goes on.

        Raises: Rejected (RESOURCE_LIMIT_EXCEEDED), when a storage quota has no room for them.
        """

    async def intents(self, path: ArtifactPath) -> Sequence[Intent]:
        """What was intended at this path and is not settled, expired ones included."""

    async def intents_below(
        self, path: ArtifactPath, *, after: ArtifactPath | None, limit: int
    ) -> Sequence[Intent]:
        """A page of what was intended at and below `path`, in the order of paths: those after `after`.

        Whoever gets `limit` or more asks again, after the last one's path: none of its uploads is left out.
        """

    async def forgotten(self, intents: Sequence[Intent]) -> None:
        """Drop intents whose uploads never came."""

    async def file(self, path: ArtifactPath) -> Listed | None:
        """The file at `path`."""

    async def files(self, paths: Sequence[ArtifactPath]) -> Mapping[ArtifactPath, Listed]:
        """Those of these files that there are, in one round trip for a thousand."""

    async def entries(self, path: ArtifactPath) -> Sequence[Listed]:
        """The items of the directory at `path`, sorted by name; none when there is no such directory."""

    async def tree(self, path: ArtifactPath, *, after: ArtifactPath | None, limit: int) -> Sequence[Listed]:
        """The files below `path` in the order of their paths, those after `after`, `limit` at most."""
