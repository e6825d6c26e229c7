"""One log line a request, written once its answer is on its way: it knows the size and the time."""

from time import perf_counter
from typing import Final

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from tracklog_artifacts.carried import CARRIED_BYTES
from tracklog_server.logs import GatheredLines
from tracklog_server.middleware import REQUEST_ID, STARTED_AT

PATH_CHARS_MAX: Final = 512
log = structlog.wrap_logger(GatheredLines())


class RequestLog(AbstractAccessLogger):
    """Gives every request's line to structlog; made by aiohttp, once per connection."""

    __slots__ = ()

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request; `time` is in seconds."""
        # uvloop's clock, which aiohttp asks, ticks in milliseconds.
        started_at = request.get(STARTED_AT)
        elapsed_s = time if started_at is None else perf_counter() - started_at
        log.info(
            "request_served",
            method=request.method,
            path=shown(request.raw_path),
            status=response.status,
            request_bytes=request.content.total_bytes,
            response_bytes=response.body_length,
            # Of the request's bytes, those that are an artifact's, and went on to the store.
            artifact_bytes=request.get(CARRIED_BYTES, 0),
            elapsed_ms=round(elapsed_s * 1000, 2),
            request_id=request.get(REQUEST_ID),
        )


def shown(raw_path: str) -> str:
    """A path as the log shows it: without its query, cut to a length, in ASCII, so it can forge no line."""
    path = raw_path.partition("?")[0][:PATH_CHARS_MAX]
    if path.isascii() and path.isprintable():
        return path
    return path.encode("unicode_escape").decode()
