"""Reads a server's files with the credentials of the environment."""

from pathlib import Path

from tracklog.artifact import Artifact, Owner
from tracklog.artifact_api import ArtifactApi
from tracklog.config import credentials
from tracklog.download import download
from tracklog.post import NotNow
from tracklog_contract.errors import Unavailable


def listing(url: str, owner: Owner, path: str, *, recursive: bool) -> list[Artifact]:
    """What lies in a directory, or all files below it, in order of their paths.

    Raises: Rejected; Unavailable.
    """
    api = ArtifactApi(url, credentials())
    try:
        return list(api.entries(owner, path, recursive=recursive))
    except NotNow as error:
        raise Unavailable(error.reason) from error
    finally:
        api.close()


def fetched(url: str, owner: Owner, path: str, to: Path) -> Path:
    """Download a file or directory; where it is. Raises: as `download`."""
    api = ArtifactApi(url, credentials())
    try:
        return download(api, owner, path, to)
    finally:
        api.close()
