"""Reads a server's files with the credentials of the environment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracklog.artifact import Artifact, Owner
from tracklog.artifact_api import ArtifactApi
from tracklog.config import credentials
from tracklog.download import PATIENCE_S, download
from tracklog.getting import Getter
from tracklog.post import NotNow
from tracklog_contract.errors import Unavailable


def listing(url: str, owner: Owner, path: str, *, recursive: bool) -> list[Artifact]:
    """What lies in a directory, or all files below it, in order of their paths.

    Raises: Rejected; Unavailable.
    """
    with _reading(url) as api:
        return Getter(api, owner, PATIENCE_S).entries(path, recursive=recursive)


def fetched(url: str, owner: Owner, path: str, to: Path) -> Path:
    """Download a file or directory; where it is. Raises: as `download`."""
    with _reading(url) as api:
        return download(api, owner, path, to)


@contextmanager
def _reading(url: str) -> Iterator[ArtifactApi]:
    api = ArtifactApi(url, credentials())
    try:
        yield api
    except NotNow as error:
        raise Unavailable(error.reason) from error
    finally:
        api.close()
