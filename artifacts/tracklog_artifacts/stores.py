"""Opens the artifact store that a server is configured with, and tells what this server answers for it."""

from pathlib import Path

from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.signed_http import Route, SignedFiles
from tracklog_artifacts.store import ArtifactStore


def open_store(place: Path | S3Config) -> ArtifactStore:
    """The store in a directory or bucket; of a bucket nothing is asked yet.

    Raises: Unavailable, when the directory cannot be used, or there are no credentials.
    """
    if isinstance(place, S3Config):
        # boto3 takes a second and 35 MB, which a server with a local store can do without.
        from tracklog_artifacts.s3 import S3Store  # noqa: PLC0415

        return S3Store(place)
    return LocalStore(place)


def store_routes(store: ArtifactStore) -> list[Route]:
    """Routes to mount without a prefix: those of the store's URLs, where they lead to this server."""
    return SignedFiles(store).root_routes() if isinstance(store, LocalStore) else []
