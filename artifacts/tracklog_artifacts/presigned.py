"""The endpoints for presigned URLs, which MLflow's server has for artifacts in cloud storage only.

Here they also serve artifacts that MLflow calls proxied: the store signs for itself.
"""

from typing import Final

from aiohttp import web

from tracklog_artifacts import paths, requests
from tracklog_artifacts.places import Place, place_of
from tracklog_artifacts.requests import Route
from tracklog_artifacts.shared import Shared
from tracklog_contract import messages as m
from tracklog_contract.errors import INVALID, UNIMPLEMENTED, Rejected

UPLOAD_EXPIRATION_S: Final = 900
DOWNLOAD_EXPIRATION_S: Final = 300
# No S3 store signs for longer than a week.
EXPIRATION_MAX_S: Final = 7 * 24 * 3600


class Presigned:
    """The handlers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("POST", "/2.0/mlflow/artifacts/presigned-upload-url", self._upload),
            ("POST", "/2.0/mlflow/artifacts/presigned-download-url", self._download),
        ]

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        fields = await requests.message(m.CREATE_PRESIGNED_UPLOAD_URL, request)
        run_id, model_id = fields["run_id"], fields["model_id"]
        if bool(run_id) == bool(model_id):
            raise Rejected(INVALID, "Exactly one of run_id and model_id must be provided.")
        inside = paths.file_path(fields["path"])
        expires_s = self._expiration(fields.get("expiration", UPLOAD_EXPIRATION_S))
        shared = self._shared
        places = shared.places
        uri = await (places.artifact_uri(run_id) if run_id else places.model_artifact_uri(model_id))
        path = _place("upload", uri).path + inside
        signed = shared.store.sign_put(path, expires_s=expires_s, size_bytes=None)
        await shared.intend([path], url_expires_s=expires_s)
        url = requests.absolute(request, signed.url)
        return requests.json({"presigned_url": url, "headers": dict(signed.headers)})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        fields = await requests.message(m.CREATE_PRESIGNED_DOWNLOAD_URL, request)
        inside = paths.file_path(fields["path"])
        expires_s = self._expiration(fields.get("expiration", DOWNLOAD_EXPIRATION_S))
        uri = await self._shared.places.artifact_uri(fields["run_id"])
        file = await self._shared.file(_place("download", uri).path + inside)
        signed = self._shared.store.sign_get(file.path, expires_s=expires_s)
        return requests.json(
            {
                "presigned_url": requests.absolute(request, signed.url),
                "headers": dict(signed.headers),
                "file_size": file.size_bytes,
            }
        )

    def _expiration(self, seconds: int) -> int:
        if not 1 <= seconds <= EXPIRATION_MAX_S:
            raise Rejected(
                INVALID, f"expiration must be between 1 and {EXPIRATION_MAX_S} seconds (got {seconds})."
            )
        return self._shared.link_expires_s(seconds)


def _place(what: str, uri: str) -> Place:
    """The place in this store.

    Raises: Rejected, as MLflow puts it, for artifacts that another server keeps, or another kind of store.
    """
    scheme = uri.partition(":")[0].lower()
    if scheme in ("http", "https"):
        raise Rejected(
            INVALID,
            f"Presigned {what} is not supported for artifacts that another server keeps "
            f"(artifact URI scheme: {scheme}). This endpoint requires an artifact URI of this server.",
        )
    if scheme != paths.SCHEME:
        raise Rejected(
            UNIMPLEMENTED, f"Presigned {what} is not supported for the current artifact repository"
        )
    return place_of(uri)
