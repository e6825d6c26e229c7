"""MLflow's proxy protocol for large files: signed URLs for uploads in parts, and for downloads."""

import re
from typing import Any, Final

from aiohttp import web

from tracklog_artifacts import paths, requests
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.proxy import PROXY
from tracklog_artifacts.requests import TAIL, Route
from tracklog_artifacts.shared import Shared, breathe
from tracklog_contract.artifact_messages import ABORT_IN_PARTS, COMPLETE_IN_PARTS, CREATE_IN_PARTS
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.shape import Message

_SEPARATOR: Final = re.compile(r"[/\\]")


class Multipart:
    """The handlers. The id of an upload is the store's, and good for the one file that it was begun for."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("POST", f"{PROXY}/mpu/create/{TAIL}", self._create),
            ("POST", f"{PROXY}/mpu/complete/{TAIL}", self._complete),
            ("POST", f"{PROXY}/mpu/abort/{TAIL}", self._abort),
            ("GET", f"{PROXY}/presigned/{TAIL}", self._download),
        ]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        path, fields = await _asked(CREATE_IN_PARTS, request)
        shared, count = self._shared, fields["num_parts"]
        if not 1 <= count <= shared.store.parts_max:
            raise Rejected(
                INVALID, f"num_parts must be between 1 and {shared.store.parts_max} (got {count})."
            )
        upload_id = await shared.in_parts.begin(path)
        credentials = []
        for number in range(1, count + 1):
            await breathe(number)
            signed = shared.store.sign_part(
                path, upload_id, number, expires_s=shared.config.parts_expire_s, size_bytes=None
            )
            url = requests.absolute(request, signed.url)
            credentials.append({"url": url, "part_number": number, "headers": dict(signed.headers)})
        return requests.json({"upload_id": upload_id, "credentials": credentials})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        path, fields = await _asked(COMPLETE_IN_PARTS, request)
        parts = [(part["part_number"], part["etag"]) for part in fields["parts"]]
        await self._shared.in_parts.complete(path, fields["upload_id"], parts)
        return requests.json({})

    async def _abort(self, request: web.Request) -> web.StreamResponse:
        path, fields = await _asked(ABORT_IN_PARTS, request)
        await self._shared.in_parts.abort(path, fields["upload_id"])
        return requests.json({})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = await self._shared.file(requests.path_to_read(request))
        signed = self._shared.store.sign_get(file.path, expires_s=self._shared.config.url_expires_s)
        url = requests.absolute(request, signed.url)
        return requests.json({"url": url, "headers": dict(signed.headers), "file_size": file.size_bytes})


async def _asked(shape: Message, request: web.Request) -> tuple[ArtifactPath, dict[str, Any]]:
    """The file in the folder of the URL, and what is said of it.

    MLflow's client sends the file's path on its own disk, of which only the name counts.
    """
    folder = requests.path_to_change(request, paths.directory_path)
    fields = await requests.message(shape, request)
    return folder + paths.file_path(_SEPARATOR.split(fields["path"])[-1]), fields
