"""The events of artifacts: files that are in the store from then on, and what is gone from it.

Paths are those of the store, whole, below its root: names joined by "/".
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, Self

from tracklog_contract.events import Event


@dataclass(frozen=True)
class ArtifactFile:
    """A file in the store. `sha256`: lower-case hex, "" when nobody computed it."""

    path: str
    size_bytes: int
    sha256: str = ""
    etag: str = ""


@dataclass(frozen=True)
class ArtifactsStored(Event):
    """These files are there, each in place of what was at its path; all belong to the entry's owner.

    That is its run, or its experiment where it has no run.
    """

    kind: ClassVar[int] = 40
    files: tuple[ArtifactFile, ...]

    def pack(self) -> dict[str, Any]:
        """As `Event.pack`, a file as a list."""
        return {"files": [list(astuple(file)) for file in self.files]}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        return cls(tuple(ArtifactFile(*file[:4]) for file in packed["files"]))


@dataclass(frozen=True)
class ArtifactsRemoved(Event):
    """The file or directory at `path` is gone, with all it held, whichever runs that belonged to."""

    kind: ClassVar[int] = 41
    path: str


ARTIFACT_EVENT_TYPES: tuple[type[Event], ...] = (ArtifactsStored, ArtifactsRemoved)
