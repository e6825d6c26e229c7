"""The native lane's endpoint: reads a body within bounds, submits what it says, answers what became of it."""

from typing import Final

from aiohttp import web

from tracklog_contract.errors import UNSUPPORTED_TYPE, Rejected
from tracklog_contract.inflow import Inflow
from tracklog_contract.limits import JSON_BODY_BYTES_MAX
from tracklog_ingest import native_wire
from tracklog_ingest.http import Route, now_ms
from tracklog_ingest.native import NativeBatch
from tracklog_ingest.service import Ingest

PATH: Final = "/tracklog/v1/ingest"
MSGPACK: Final = "application/msgpack"
ENCODINGS: Final = ("identity", "zstd", "gzip", "deflate")
# Of all requests from their first byte to their answer, as sent and as read.
INFLOW_BYTES_MAX: Final = 256 * 2**20
# What msgpack says in a byte may take hundreds here; no request counts as less.
REQUEST_BYTES_MIN: Final = 16 * 2**10


def routes(ingest: Ingest) -> list[Route]:
    """The native lane, as (method, path, handler)."""
    return [("POST", PATH, Native(ingest).ingest)]


class Native:
    """The handler, over one `Ingest`."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._inflow = Inflow(INFLOW_BYTES_MAX)

    async def ingest(self, request: web.Request) -> web.Response:
        """POST /api/tracklog/v1/ingest."""
        _check_type(request)
        with self._inflow.within(request.content_length or JSON_BODY_BYTES_MAX):
            # aiohttp decompresses as it reads, and stops at the limit whatever the body unfolds to.
            body = await request.read()
            with self._inflow.within(len(body)):
                command = NativeBatch(native_wire.decode(body), now_ms(), max(len(body), REQUEST_BYTES_MIN))
                del body
                answer = await self._ingest.submit(command)
        return web.Response(body=answer.packed(), content_type=MSGPACK)


def _check_type(request: web.Request) -> None:
    """Raises: Rejected, for a body of another type, or an encoding that was not undone."""
    if request.content_type != MSGPACK:
        raise Rejected(UNSUPPORTED_TYPE, f"Content-Type must be {MSGPACK}, not '{request.content_type}'.")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ENCODINGS:
        raise Rejected(UNSUPPORTED_TYPE, f"Content-Encoding must be zstd or none, not '{encoding[:100]}'.")
