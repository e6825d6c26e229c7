"""Sends an open artifact as a download: attachment headers, ranges and conditional requests."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import ETag, web

from tracklog_artifacts.outgoing import send_bytes
from tracklog_artifacts.store import OpenArtifact
from tracklog_contract.errors import TracklogError

log = structlog.get_logger()

_BINARY: Final = "application/octet-stream"
_TEXT_NAMES: Final = frozenset({"MLmodel", "MLproject"})
_SUFFIXES: Final = {
    "text/plain": "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml json jsonl py csv tsv "
    "md rst ipynb",
    "image/png": "png",
    "image/jpeg": "jpg jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/tiff": "tif tiff",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/gzip": "gz",
    "application/x-tar": "tar",
}
# What is not in this table is bytes: HTML, SVG, XML and all else that can run scripts is left out on purpose.
_TYPES: Final = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+")
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


async def send(request: web.Request, file: OpenArtifact, name: str) -> web.StreamResponse:
    """The file as an attachment called `name`, or the part of it that the request asks for.

    Raises: nothing after the first byte; a file that cannot be read to its end breaks the connection off.
    """
    response = web.StreamResponse(headers=attachment_headers(name))
    response.etag = file.etag
    # HTTP's dates have whole seconds; rounded up, it would lie in the future.
    response.last_modified = int(file.modified_s)
    start, count = _choose(request, file, response)
    response.content_length = count
    await response.prepare(request)
    if count == 0 or request.method == "HEAD":
        return response
    try:
        await send_bytes(request, response, file, start, count)
    except ConnectionResetError:
        # A client that has had enough hangs up; that is no error.
        response.force_close()
    except TracklogError as error:
        log.error("artifact_read_failed", name=name, error=error.message)  # noqa: TRY400 - no news in its trace
        # The promised length is out already: only a broken connection says that the rest will not come.
        response.force_close()
    return response


def attachment_headers(name: str) -> dict[str, str]:
    """What is said of every artifact called `name`, so that no browser runs it."""
    return {
        "Content-Type": content_type(name),
        "Content-Disposition": attachment(name),
        "X-Content-Type-Options": "nosniff",
        # Should a browser show it all the same, it shows it without our origin's rights.
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
    }


def _choose(request: web.Request, file: OpenArtifact, response: web.StreamResponse) -> tuple[int, int]:
    """Where to start and how many bytes to send; sets the status that goes with it."""
    if not _precondition_holds(request, file):
        response.set_status(412)
        return 0, 0
    if _client_has_it(request, file):
        response.set_status(304)
        return 0, 0
    part = (
        byte_range(request.headers.get("Range", ""), file.size_bytes)
        if _range_is_for(request, file)
        else None
    )
    if part is None:
        return 0, file.size_bytes
    start, count = part
    if count == 0:
        response.set_status(416)
        response.headers["Content-Range"] = f"bytes */{file.size_bytes}"
        return 0, 0
    response.set_status(206)
    response.headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{file.size_bytes}"
    return start, count


def _precondition_holds(request: web.Request, file: OpenArtifact) -> bool:
    if request.if_match is not None:
        return _matches(request.if_match, file)
    since = request.if_unmodified_since
    return since is None or int(file.modified_s) <= since.timestamp()


def _client_has_it(request: web.Request, file: OpenArtifact) -> bool:
    if request.if_none_match is not None:
        return _matches(request.if_none_match, file)
    since = request.if_modified_since
    return since is not None and int(file.modified_s) <= since.timestamp()


def _matches(etags: tuple[ETag, ...], file: OpenArtifact) -> bool:
    return any(etag.value in ("*", file.etag) for etag in etags)


def _range_is_for(request: web.Request, file: OpenArtifact) -> bool:
    """Whether the range was asked of this version of the file."""
    condition = request.headers.get("If-Range")
    if condition is None or condition == f'"{file.etag}"':
        return True
    since = request.if_range
    return since is not None and int(file.modified_s) == since.timestamp()


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and length of the one range that a Range header asks of `size` bytes.

    Returns: None when there is no single well-formed range (the whole file is then the answer), and a length
    of 0 when there is one but no byte of the file lies in it.
    """
    asked = _RANGE.fullmatch(header.strip())
    if asked is None or asked.group(1) == asked.group(2) == "":
        return None
    first, last = asked.groups()
    if first == "":
        start = max(size - int(last), 0)
        return start, size - start
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return start, max(end - start, 0)


def content_type(name: str) -> str:
    """The media type to declare for a file: text and pictures as such, never one that can run scripts."""
    if name in _TEXT_NAMES:
        return "text/plain"
    return _TYPES.get(name.rpartition(".")[2].lower(), _BINARY)


def attachment(name: str) -> str:
    """The Content-Disposition (RFC 6266) that saves a file under `name`, whatever characters it has."""
    if _TOKEN.fullmatch(name):
        return f"attachment; filename={name}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", plain) or "artifact"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
