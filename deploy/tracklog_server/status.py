"""Routes about the server itself: whether it works, and what MLflow's clients may expect of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from tracklog_server.middleware import Handler

# The version whose protocol this is: clients use some features only with a server that is new enough.
MLFLOW_VERSION: Final = "3.17.2"
CHECK_TIMEOUT_S: Final = 3.0

SERVER_INFO: Final = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "trace_archival_enabled": False,
    # Large files go straight to the store, by URLs that it signs.
    "multipart_uploads_enabled": True,
    "multipart_downloads_enabled": True,
    "presigned_upload_run_id_supported": True,
    "presigned_upload_model_id_supported": True,
    "features_enabled": {"gateway": False},
}

# What MLflow's web page would report to its makers: nothing.
UI_TELEMETRY: Final = msgspec.json.encode(
    {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}
)
NO_GATEWAY: Final = msgspec.json.encode({"endpoints": []})
TELEMETRY_DISABLED: Final = msgspec.json.encode({"status": "disabled"})

Check = Callable[[], Awaitable[bool]]


def routes(*, enabled_workspaces: bool) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    return [
        ("GET", "/3.0/mlflow/server-info", server_info(workspaces=enabled_workspaces)),
        ("GET", "/3.0/mlflow/ui-telemetry", ui_telemetry),
        ("POST", "/3.0/mlflow/ui-telemetry", drop_ui_telemetry),
        ("GET", "/2.0/mlflow/gateway-proxy", no_gateway),
        # There is no model registry. MLflow's page breaks off without these answers.
        ("GET", "/2.0/mlflow/model-versions/search", nothing_found),
        ("GET", "/2.0/mlflow/registered-models/search", nothing_found),
    ]


def root_routes() -> list[tuple[str, str, Handler]]:
    """Routes to mount without a prefix."""
    return [("GET", "/version", version), ("HEAD", "/version", version)]


def health(can_append: Check, projector_alive: Check) -> Handler:
    """The handler of /health: 200 only when writes are accepted and the views are kept up to date."""

    async def handle(_: web.Request) -> web.Response:
        append, projector = await asyncio.gather(_holds(can_append), _holds(projector_alive))
        failures = [
            *([] if append else ["the log cannot be appended to"]),
            *([] if projector else ["the projector is not running"]),
        ]
        return web.Response(status=503 if failures else 200, text="; ".join(failures) or "OK")

    return handle


async def _holds(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except Exception:  # noqa: BLE001 - whatever keeps a check from its answer means "no"
        return False


async def version(_: web.Request) -> web.Response:
    """The MLflow version whose protocol this is."""
    return web.Response(text=MLFLOW_VERSION)


def server_info(*, workspaces: bool) -> Handler:
    """The handler that tells which of MLflow's optional features there are."""
    body = msgspec.json.encode({**SERVER_INFO, "workspaces_enabled": workspaces})

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return handle


async def ui_telemetry(_: web.Request) -> web.Response:
    """That MLflow's web page is to report nothing."""
    return web.Response(body=UI_TELEMETRY, content_type="application/json")


async def drop_ui_telemetry(_: web.Request) -> web.Response:
    """The answer to what it reports all the same, which is dropped."""
    return web.Response(body=TELEMETRY_DISABLED, content_type="application/json")


async def no_gateway(_: web.Request) -> web.Response:
    """What MLflow answers without an AI gateway: that it has no endpoints."""
    return web.Response(body=NO_GATEWAY, content_type="application/json")


async def nothing_found(_: web.Request) -> web.Response:
    """The answer to a search of what this server does not keep."""
    return web.Response(body=b"{}", content_type="application/json")
