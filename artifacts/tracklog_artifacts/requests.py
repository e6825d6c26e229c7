"""What the endpoints read from a request and write into an answer, alike in every way in."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from tracklog_artifacts import paths
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import SignedRequest
from tracklog_contract.errors import INVALID, UNSUPPORTED_TYPE, Rejected
from tracklog_contract.protojson import API_DOCS, clipped, decode_body, decode_query
from tracklog_contract.shape import Message

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]

# `(?s:.+)` and not `.+`: a newline in a path must reach the check that refuses it.
TAIL: Final = "{path:(?s:.+)}"
MSGPACK: Final = "application/msgpack"
_QUERY_FIELDS_MAX: Final = 20

T = TypeVar("T")


def raw_tail(request: web.Request) -> str:
    """The `{path}` of the URL as it came over the wire; aiohttp's own `match_info` is already decoded."""
    resource = request.match_info.route.resource
    assert resource is not None
    slashes_before = resource.canonical.partition("{")[0].count("/")
    return request.rel_url.raw_path.split("/", slashes_before)[-1]


def path_to_read(request: web.Request) -> ArtifactPath:
    """The path of the file that the URL names after its route.

    Raises: Rejected, as `paths.file_path` does.
    """
    return paths.file_path(paths.decoded(raw_tail(request)))


def path_to_change(request: web.Request, parse: Callable[[str], ArtifactPath]) -> ArtifactPath:
    """The path of a PUT or DELETE.

    Raises: Rejected also for a `?` or `#`, which MLflow's client does not escape: it was meant as part of a
    name, and what is before it names another file.
    """
    if request.rel_url.raw_query_string or request.rel_url.raw_fragment:
        raise Rejected(INVALID, "Invalid path: '?' must be sent as %3F, and no artifact's name has a '#'")
    return parse(paths.decoded(raw_tail(request)))


def query(request: web.Request) -> dict[str, str]:
    """The query's fields, the first of each name.

    Raises: Rejected, when it is not UTF-8 or has too many fields.
    """
    return dict(reversed(_query_items(request)))


def _query_items(request: web.Request) -> list[tuple[str, str]]:
    raw = request.rel_url.raw_query_string
    try:
        # Bytes that are not UTF-8 arrive as lone surrogates, which nothing after this could write down again.
        raw.encode()
        return parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS_MAX)
    except ValueError:
        raise Rejected(INVALID, "Invalid query string") from None


def required(fields: dict[str, str], name: str) -> str:
    """A field of the query.

    Raises: Rejected, when it is missing or empty.
    """
    if value := fields.get(name):
        return value
    raise Rejected(INVALID, f"Missing value for required parameter '{name}'.{API_DOCS}")


async def message(shape: Message, request: web.Request) -> dict[str, Any]:
    """The fields of a request in MLflow's JSON, or in the query of a GET.

    Raises: Rejected, as MLflow does.
    """
    if request.method == "GET":
        return decode_query(shape, _query_items(request))
    return decode_body(shape, await request.read(), request.headers.get("Content-Type", ""))


async def body(kind: type[T], request: web.Request) -> T:
    """The request's JSON body as `kind`, a msgspec type.

    Raises: Rejected, saying what in it is wrong.
    """
    return _decoded(msgspec.json.decode, await request.read(), kind)


async def packed_body(kind: type[T], request: web.Request) -> T:
    """The request's msgpack body as `kind`, a msgspec type.

    Raises: Rejected, saying what in it is wrong.
    """
    if request.content_type != MSGPACK:
        raise Rejected(UNSUPPORTED_TYPE, f"Content-Type must be {MSGPACK}, not '{request.content_type}'.")
    return _decoded(msgspec.msgpack.decode, await request.read(), kind)


def _decoded(decode: Callable[..., Any], data: bytes, kind: type[T]) -> T:
    try:
        decoded: T = decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(
            INVALID, f"The request's body is not what is asked for: {clipped(str(error))}"
        ) from None
    return decoded


def json(answer: Any, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer of anything that msgspec encodes. What it may sign is nobody's to keep."""
    return web.Response(
        body=msgspec.json.encode(answer),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def to_signed(signed: SignedRequest) -> web.Response:
    """A redirect to a signed GET, for which no further headers are needed."""
    assert not signed.headers
    # Relative as the store gives it: so it holds behind any proxy.
    return web.Response(status=302, headers={"Location": signed.url, "Cache-Control": "no-store"})


def absolute(request: web.Request, url: str) -> str:
    """A signed URL as clients elsewhere need it: a store behind this server signs paths only."""
    if not url.startswith("/"):
        return url
    # Whoever lies about how they came is sent where they cannot come: no one else reads their answer.
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    return f"{'https' if secure else 'http'}://{request.host}{url}"
