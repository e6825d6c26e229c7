"""Answers the signed URLs of the local store, as an S3 server answers presigned ones.

The signature is all the permission there is, and all that is needed: these routes ask for no token.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from tracklog_artifacts import paths, signing
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.download import send
from tracklog_artifacts.incoming import Uploads, refuse_encoded
from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.signing import Grant
from tracklog_contract.errors import DENIED, Rejected

Route = tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]

# As in the other artifact endpoints: a newline must reach the check of the signature.
ROUTE: Final = signing.PREFIX + "{path:(?s:.+)}"


class SignedFiles:
    """The handlers of a local store's URLs."""

    def __init__(self, store: LocalStore, config: ArtifactConfig | None = None) -> None:
        self._store = store
        self._uploads = Uploads(config or ArtifactConfig())

    def root_routes(self) -> list[Route]:
        """Routes to mount without a prefix."""
        return [
            ("GET", ROUTE, self._get),
            ("HEAD", ROUTE, self._get),
            ("PUT", ROUTE, self._put),
            ("DELETE", ROUTE, self._abort),
        ]

    def _grant(self, request: web.Request) -> Grant:
        raw_path = request.rel_url.raw_path.removeprefix(signing.PREFIX)
        path = tuple(paths.decoded(raw_path).split("/"))
        return self._store.granted(request.method, path, request.rel_url.raw_query_string)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        path = self._grant(request).path
        async with self._store.open(path) as file:
            return await send(request, file, path[-1])

    async def _put(self, request: web.Request) -> web.StreamResponse:
        grant = self._grant(request)
        refuse_encoded(request)
        length = request.content_length
        # A body in chunks tells no length beforehand; its bytes are counted as they come.
        if grant.size_bytes is not None and length not in {None, grant.size_bytes}:
            raise Rejected(
                DENIED, f"This artifact URL was signed for {grant.size_bytes} bytes, not for {length}."
            )
        with self._uploads.slot():
            etag = await self._store_body(request, grant)
        return web.Response(headers={"ETag": f'"{etag}"'})

    async def _store_body(self, request: web.Request, grant: Grant) -> str:
        chunks = self._uploads.body(request)
        if grant.upload_id:
            part = await self._store.write_part(
                grant.path, grant.upload_id, grant.part, chunks, size_bytes=grant.size_bytes
            )
            return part.etag
        stored = await self._store.write(grant.path, chunks, size_bytes=grant.size_bytes, sha256=grant.sha256)
        return stored.etag

    async def _abort(self, request: web.Request) -> web.StreamResponse:
        grant = self._grant(request)
        await self._store.abort_multipart(grant.path, grant.upload_id)
        return web.Response(status=204)
