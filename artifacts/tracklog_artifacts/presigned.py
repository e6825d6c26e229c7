"""The endpoints for presigned URLs, which MLflow's server has for cloud storage: here they are refused.

All artifacts of this store are proxied, and a client that asks for a URL is to hear so as MLflow says it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn

from aiohttp import web

from tracklog_artifacts import paths
from tracklog_contract import messages as m
from tracklog_contract.errors import INVALID, UNIMPLEMENTED, Rejected
from tracklog_contract.protojson import decode_body
from tracklog_contract.shape import Message

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RootOf = Callable[[str], Awaitable[str]]

EXPIRATION_DEFAULT_S: Final = 300
EXPIRATION_MAX_S: Final = 7 * 24 * 3600
PROXIED: Final = frozenset({"http", "https", paths.SCHEME})


def routes(artifact_uri: RootOf, model_artifact_uri: RootOf) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix; the roots are found as in `Artifacts`."""

    async def upload(request: web.Request) -> web.StreamResponse:
        fields = await _fields(m.CREATE_PRESIGNED_UPLOAD_URL, request)
        run_id, model_id = fields["run_id"], fields["model_id"]
        if bool(run_id) == bool(model_id):
            raise Rejected(INVALID, "Exactly one of run_id and model_id must be provided.")
        paths.file_path(fields["path"])
        uri = await (artifact_uri(run_id) if run_id else model_artifact_uri(model_id))
        _refuse("upload", "proxied artifact storage", "a direct cloud storage artifact URI", uri)

    async def download(request: web.Request) -> web.StreamResponse:
        fields = await _fields(m.CREATE_PRESIGNED_DOWNLOAD_URL, request)
        paths.file_path(fields["path"])
        expiration_s = fields.get("expiration", EXPIRATION_DEFAULT_S)
        if not 1 <= expiration_s <= EXPIRATION_MAX_S:
            raise Rejected(
                INVALID, f"expiration must be between 1 and {EXPIRATION_MAX_S} seconds (got {expiration_s})."
            )
        uri = await artifact_uri(fields["run_id"])
        needed = "a run with a direct cloud storage artifact URI"
        _refuse("download", "runs with proxied artifact storage", needed, uri)

    return [
        ("POST", "/2.0/mlflow/artifacts/presigned-upload-url", upload),
        ("POST", "/2.0/mlflow/artifacts/presigned-download-url", download),
    ]


async def _fields(message: Message, request: web.Request) -> dict[str, Any]:
    return decode_body(message, await request.read(), request.headers.get("Content-Type", ""))


def _refuse(what: str, where: str, needed: str, uri: str) -> NoReturn:
    scheme = uri.partition(":")[0].lower()
    if scheme in PROXIED:
        raise Rejected(
            INVALID,
            f"Presigned {what} is not supported for {where} (artifact URI scheme: {scheme}). "
            f"This endpoint requires {needed}.",
        )
    raise Rejected(UNIMPLEMENTED, f"Presigned {what} is not supported for the current artifact repository")
