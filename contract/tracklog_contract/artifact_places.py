"""To whom a path in the artifact store belongs, and how the log's tables find paths."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from tracklog_contract.ids import EXPERIMENT_ID_MAX, parse_run_id

ARTIFACTS: Final = "artifacts"
SCHEME: Final = "mlflow-artifacts"
# An index row has room for 2,700 bytes, and a character takes four at most.
PATH_START_CHARS: Final = 500
# With its places a longer one may take much more than that many bytes.
_REMEMBERED_CHARS_MAX: Final = 300
_LAST_CHARACTER: Final = "\U0010ffff"

Kind = Literal["run", "model", "trace", "experiment"]


@dataclass(frozen=True)
class Place:
    """What a path says it lies in: `subject` is the id, `root` where that one's artifacts would lie then."""

    kind: Kind
    subject: str
    root: str

    @property
    def is_usual(self) -> bool:
        """Is it where an experiment with the usual location keeps artifacts of this kind."""
        depth = {"experiment": 0, "run": 2}.get(self.kind, 3)
        names = self.root.split("/")
        return len(names) == depth + 1 and _experiment_id(names[0]) is not None


@dataclass(frozen=True)
class Owner:
    """An experiment, or its run, that artifacts belong to; `location` is where they lie, as a URI."""

    experiment_id: int
    location: str
    run_id: uuid.UUID | None = None
    deleted: bool = False


@dataclass(frozen=True)
class UploadIntent:
    """An upload that was signed. `size_bytes`: None when none was bound. `expires_at_s`: since 1970."""

    path: str
    size_bytes: int | None
    expires_at_s: float
    upload_id: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class ArtifactItem:
    """An item of a listing: a file, or a directory, whose `size_bytes` is None."""

    path: str
    size_bytes: int | None
    sha256: str = ""
    etag: str = ""
    recorded_ms: int = 0


def path_key(*texts: str) -> uuid.UUID:
    """What stands for a path, or a path and more, in primary keys: half its SHA-256."""
    return uuid.UUID(bytes=hashlib.sha256("\0".join(texts).encode()).digest()[:16])


def bounds_below(path: str) -> tuple[str, str, str]:
    """The least and greatest first PATH_START_CHARS characters that paths below a directory may have.

    The third is what they begin with. "" is the root of everything.
    """
    if not path:
        return "", _LAST_CHARACTER, ""
    prefix = f"{path}/"
    if len(prefix) > PATH_START_CHARS:
        return prefix[:PATH_START_CHARS], prefix[:PATH_START_CHARS], prefix
    return prefix, f"{path}0", prefix  # "0" comes after "/"


def places(path: str) -> tuple[Place, ...]:
    """Where a path may lie, the likeliest first: below a run, model or trace, or else in an experiment."""
    directory, _, name = path.rpartition("/")
    # A file's name decides nothing, unless it is that of a root, so files of one directory are alike.
    if name == ARTIFACTS or not directory or len(directory) > _REMEMBERED_CHARS_MAX:
        return tuple(_places(path.split("/")))
    return _places_below(directory)


@lru_cache(maxsize=1024)
def _places_below(directory: str) -> tuple[Place, ...]:
    return tuple(_places(directory.split("/")))


def _places(names: Sequence[str]) -> Iterator[Place]:
    for number, name in enumerate(names[1:]):
        if name != ARTIFACTS:
            continue
        subject, root = names[number], "/".join(names[: number + 2])
        above = names[number - 1] if number else ""
        if above == "models":
            yield Place("model", subject, root)
        elif above == "traces":
            yield Place("trace", subject, root)
        elif parse_run_id(subject) is not None:
            yield Place("run", subject, root)
    if _experiment_id(names[0]) is not None:
        yield Place("experiment", names[0], names[0])


def _experiment_id(name: str) -> int | None:
    if name.isascii() and name.isdigit() and len(name) <= 19 and str(int(name)) == name:
        return int(name) if int(name) <= EXPERIMENT_ID_MAX else None
    return None


@lru_cache(maxsize=1024)
def root_of(uri: str) -> str | None:
    """The path in the store that `mlflow-artifacts:/…` names; None for a location that is not in it."""
    try:
        parts = urlsplit(uri)
        text = unquote_to_bytes(parts.path.removeprefix("/")).decode()
    except ValueError:
        return None
    if parts.scheme != SCHEME or parts.query or parts.fragment:
        return None
    return "/".join(name for name in text.removesuffix("/").split("/") if name != ".")


def owner_of(path: str, find: Callable[[Place], Owner | None]) -> Owner | None:
    """To whom `path` belongs, among those that `find` knows."""
    for place in places(path):
        owner = find(place)
        if owner is not None and (place.kind == "experiment" or root_of(owner.location) == place.root):
            return owner
    return None
