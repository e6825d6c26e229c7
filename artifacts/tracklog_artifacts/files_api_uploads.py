"""Uploads in parts by Databricks' Files API. Their session token is the store's id of the upload."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from tracklog_artifacts import requests
from tracklog_artifacts.files_api_paths import named
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.shared import Shared, breathe, pairs
from tracklog_contract.errors import INVALID, Rejected

URLS_MAX: Final = 1000
EXPIRES_MIN_S: Final = 60

_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_Token = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
_PartNumber = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class _Upload(msgspec.Struct):
    path: _Text
    session_token: _Token
    expire_time: Annotated[str, msgspec.Meta(max_length=64)] = ""


class _PartUrls(_Upload, kw_only=True):
    start_part_number: _PartNumber
    count: Annotated[int, msgspec.Meta(ge=1, le=URLS_MAX)]


class _Part(msgspec.Struct):
    part_number: _PartNumber
    etag: _Token


class _Parts(msgspec.Struct):
    parts: Annotated[list[_Part], msgspec.Meta(min_length=1, max_length=10_000)]


class FilesApiUploads:
    """The handlers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def begin(self, path: ArtifactPath) -> web.StreamResponse:
        """POST files/{path}?action=initiate-upload."""
        upload_id = await self._shared.in_parts.begin(path)
        return requests.json({"multipart_upload": {"session_token": upload_id}})

    async def part_urls(self, request: web.Request) -> web.StreamResponse:
        """POST create-upload-part-urls."""
        asked = await requests.body(_PartUrls, request)
        path = await self._path(asked)
        expires_s = self.expires_s(asked.expire_time)
        last = min(asked.start_part_number + asked.count - 1, self._shared.store.parts_max)
        urls: list[dict[str, Any]] = []
        for number in range(asked.start_part_number, last + 1):
            await breathe(number)
            signed = self._shared.store.sign_part(
                path, asked.session_token, number, expires_s=expires_s, size_bytes=None
            )
            url, headers = pairs(request, signed)
            urls.append({"url": url, "part_number": number, "headers": headers})
        return requests.json({"upload_part_urls": urls})

    async def abort_url(self, request: web.Request) -> web.StreamResponse:
        """POST create-abort-upload-url."""
        asked = await requests.body(_Upload, request)
        path = await self._path(asked)
        signed = self._shared.store.sign_abort(
            path, asked.session_token, expires_s=self.expires_s(asked.expire_time)
        )
        url, headers = pairs(request, signed)
        return requests.json({"abort_upload_url": {"url": url, "headers": headers}})

    async def complete(self, request: web.Request, path: ArtifactPath) -> web.StreamResponse:
        """POST files/{path}?action=complete-upload."""
        asked = await requests.body(_Parts, request)
        token = requests.required(requests.query(request), "session_token")
        parts = [(part.part_number, part.etag) for part in asked.parts]
        await self._shared.in_parts.complete(path, token, parts)
        return requests.json({})

    async def _path(self, asked: _Upload) -> ArtifactPath:
        """The path of an upload that was begun for it.

        Raises: Rejected, when none was.
        """
        path = (await named(asked.path, self._shared.places, is_file=True)).path
        await self._shared.in_parts.intent(path, asked.session_token)
        return path

    def expires_s(self, expire_time: str) -> int:
        """For how long to sign, when a client wants it until `expire_time` (RFC 3339; "" leaves it to us).

        Raises: Rejected, when that is no time.
        """
        if not expire_time:
            return self._shared.config.url_expires_s
        try:
            until = datetime.fromisoformat(expire_time)
        except ValueError:
            raise Rejected(INVALID, "expire_time must be a time such as 2026-01-31T12:00:00Z.") from None
        left_s = int(until.replace(tzinfo=until.tzinfo or UTC).timestamp() - time.time())
        return max(EXPIRES_MIN_S, min(left_s, self._shared.config.parts_expire_s))
