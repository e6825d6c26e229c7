"""What clients of the Databricks flavour are told otherwise: where artifacts lie, and what host this is.

Such a client reaches artifacts by the Files API, and only where their URI is of Databricks' own kind. So the
same place has two names: in an answer to such a client stands the second one.
"""

import hashlib
import re
from typing import Any, Final

import msgspec
from aiohttp import web

from tracklog_contract.caller import caller
from tracklog_contract.databricks_messages import DATABRICKS_SDK
from tracklog_contract.errors import ENDPOINT_NOT_FOUND, Rejected
from tracklog_server.access.office import is_admin
from tracklog_server.middleware import Handler

_HERE: Final = rb'"mlflow-artifacts:/(?:[^"\\/%]+/)*([^"\\/%]+)'
_THERE: Final = rb'"dbfs:/databricks/mlflow-tracking/'
_OF_TRACE: Final = rb'/traces/(tr-[^"\\/%]+)/artifacts'
# These are keys, never parts of a text, where the quotes would be escaped. Of a location of many names the
# last is told: by it the Files API knows the place.
_NAMES: Final = (
    (rb'"artifact_uri":', rb'/models/([^"\\/%]+)/artifacts', rb"\1/logged_models/\2/artifacts"),
    (rb'"artifact_uri":', rb"/([0-9a-f]{32})/artifacts", rb"\1/\2/artifacts"),
    (rb'"artifact_location":', rb"", rb"\1"),
    (rb'"mlflow.artifactLocation":', _OF_TRACE, rb"\1/\2/artifacts"),
    # As version 2 of the endpoints tells it.
    (rb'"key":"mlflow.artifactLocation","value":', _OF_TRACE, rb"\1/\2/artifacts"),
)
_RENAMED: Final = tuple(
    (re.compile(re.escape(key) + _HERE + place + b'"'), key + _THERE + name + b'"')
    for key, place, name in _NAMES
)

# What the page's links begin with is behind the "#" of its single path.
_LINK: Final = re.compile(r"experiments/[0-9]+(/[A-Za-z0-9_.~-]+)*/?\Z", re.ASCII)
_OIDC: Final = "/oidc"
DISCOVERY: Final = f"{_OIDC}/.well-known/oauth-authorization-server"
ORG_ID: Final = "X-Databricks-Org-Id"


def routes() -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    return [("GET", "/2.0/preview/scim/v2/Me", me)]


def root_routes() -> list[tuple[str, str, Handler]]:
    """Routes to mount without a prefix."""
    return [
        ("GET", "/.well-known/databricks-config", host),
        ("GET", DISCOVERY, discovery),
        ("GET", "/ml/{path:.*}", page_of_link),
    ]


async def host(request: web.Request) -> web.Response:
    """What the SDK asks before every call; it is content with little."""
    return _told({"cloud": "AWS", "oidc_endpoint": f"{_origin(request)}{_OIDC}"})


async def discovery(request: web.Request) -> web.Response:
    """Where machines change their secret for a token (RFC 8414); there is no other grant."""
    origin = _origin(request)
    return _told(
        {
            "issuer": f"{origin}{_OIDC}",
            "authorization_endpoint": f"{origin}{_OIDC}/v1/authorize",
            "token_endpoint": f"{origin}{_OIDC}/v1/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
    )


def _told(value: dict[str, Any]) -> web.Response:
    # Whoever keeps it for others would send them where one caller's Host header says.
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", headers=headers)


def _origin(request: web.Request) -> str:
    """How the client reached this server, by way of a proxy that ends TLS too."""
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    return f"{'https' if secure else 'http'}://{request.host}"


async def page_of_link(request: web.Request) -> web.Response:
    """A link that MLflow prints for Databricks leads to its place on the page.

    Raises: Rejected, for any other path.
    """
    path = request.match_info["path"]
    if not _LINK.match(path):
        raise Rejected(ENDPOINT_NOT_FOUND, f"No endpoint found for path '{request.path}'.")
    return web.Response(status=302, headers={"Location": f"/#/{path}"})


async def me(_: web.Request) -> web.Response:
    """Who the caller is, as SCIM has it."""
    who = caller()
    name = who.principal or "anonymous"
    admin = who.rights is None or is_admin(who)
    groups = [{"display": "admins", "value": "admins", "type": "direct"}] if admin else []
    answer = {"id": name, "userName": name, "displayName": name, "active": True, "groups": groups}
    # The SDK takes the workspace's number from here: one that its name always has.
    digest = hashlib.blake2b(who.workspace.encode(), digest_size=6).digest()
    headers = {ORG_ID: str(int.from_bytes(digest))}
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json", headers=headers)


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
            DATABRICKS_SDK in request.headers.get("User-Agent", "")
            and isinstance(response, web.Response)
            and isinstance(response.body, bytes)
            and response.content_type == "application/json"
        ):
            response.body = renamed(response.body)
        return response

    return around
