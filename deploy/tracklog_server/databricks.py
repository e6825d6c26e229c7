"""What clients of the Databricks flavour are told otherwise: where artifacts lie, and what host this is.

Such a client reaches artifacts by the Files API, and only where their URI is of Databricks' own kind. So the
same place has two names: in an answer to such a client stands the second one.
"""

import re
from typing import Any, Final

import msgspec
from aiohttp import web

from tracklog_contract.caller import caller
from tracklog_server.middleware import Handler

# In the User-Agent of all of Databricks' SDKs.
_SDK: Final = "databricks-sdk-"
_HERE: Final = rb'"mlflow-artifacts:/(?:[^"\\/%]+/)*([^"\\/%]+)'
_THERE: Final = rb'"dbfs:/databricks/mlflow-tracking/'
# These are keys, never parts of a text, where the quotes would be escaped. Of a location of many names the
# last is told: by it the Files API knows the place.
_NAMES: Final = (
    (rb'"artifact_uri":' + _HERE + rb'/models/([^"\\/%]+)/artifacts"', rb"\1/logged_models/\2/artifacts"),
    (rb'"artifact_uri":' + _HERE + rb'/([0-9a-f]{32})/artifacts"', rb"\1/\2/artifacts"),
    (rb'"artifact_location":' + _HERE + rb'"', rb"\1"),
)
_RENAMED: Final = tuple(
    (re.compile(pattern), pattern[: pattern.index(b":") + 1] + _THERE + name + b'"')
    for pattern, name in _NAMES
)

_HOST: Final = msgspec.json.encode({"cloud": "AWS"})


def routes() -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    return [("GET", "/2.0/preview/scim/v2/Me", me)]


def root_routes() -> list[tuple[str, str, Handler]]:
    """Routes to mount without a prefix."""
    return [("GET", "/.well-known/databricks-config", host)]


async def host(_: web.Request) -> web.Response:
    """What the SDK asks before every call; it is content with little."""
    return web.Response(body=_HOST, content_type="application/json")


async def me(_: web.Request) -> web.Response:
    """Who the caller is, as SCIM has it."""
    name = caller().principal or "anonymous"
    answer = {"id": name, "userName": name, "displayName": name, "active": True}
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def renamed(body: bytes) -> bytes:
    """A JSON answer with the names by which Databricks' clients know the places of this store."""
    for pattern, name in _RENAMED:
        body = pattern.sub(name, body)
    return body


def middleware() -> Any:
    """The middleware that renames places for the clients that need it."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if (
            _SDK in request.headers.get("User-Agent", "")
            and isinstance(response, web.Response)
            and isinstance(response.body, bytes)
            and response.content_type == "application/json"
        ):
            response.body = renamed(response.body)
        return response

    return around
