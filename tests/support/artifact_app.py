"""The artifact endpoints as in production, but over a ledger in memory: no database."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.memory_ledger import MemoryLedger
from tracklog_artifacts import files
from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.service import Artifacts
from tracklog_artifacts.signed_http import SignedFiles
from tracklog_contract.errors import NOT_FOUND, Rejected, TracklogError

RUN = "0123456789abcdef0123456789abcdef"
OTHER_RUN = "f" * 32
HOSTILE_RUN = "e" * 32
OUTSIDE_RUN = "d" * 32
# Whose files would lie where the local store keeps its own.
RESERVED_RUN = "9" * 32
# What somebody may say of an experiment, so that its runs lie there: nothing of it is read or signed here.
ELSEWHERE = {
    number * 32: location
    for number, location in (
        ("1", "file:///etc"),
        ("2", "http://127.0.0.1:80/latest/meta-data"),
        ("3", "/etc"),
        ("4", "dbfs:/x"),
        ("5", "mlflow-artifacts:/"),
        ("6", "mlflow-artifacts:/a/%2e%2e/%2e%2e/etc"),
        ("7", "mlflow-artifacts:/a?b=/etc"),
        ("8", "ftp://host/x"),
    )
}
MODEL = f"m-{RUN}"
ROOTS = {
    RUN: f"mlflow-artifacts:/0/{RUN}/artifacts",
    OTHER_RUN: f"mlflow-artifacts:/0/{OTHER_RUN}/artifacts",
    OUTSIDE_RUN: f"s3://bucket/0/{OUTSIDE_RUN}/artifacts",
    HOSTILE_RUN: "mlflow-artifacts:/../../etc",
    RESERVED_RUN: "mlflow-artifacts:/.incoming",
    **ELSEWHERE,
}
MODEL_ROOT = f"mlflow-artifacts:/0/models/{MODEL}/artifacts"
REFUSED = web.AppKey("refused", list[tuple[str, str]])
ESCAPED = web.AppKey("escaped", list[Exception])
LEDGER = web.AppKey("ledger", MemoryLedger)
STORE = web.AppKey("store", LocalStore)
ARTIFACTS = web.AppKey("artifacts", Artifacts)


async def artifact_uri(run_id):
    """Of RUN and the others."""
    if run_id not in ROOTS:
        raise Rejected(NOT_FOUND, f"Run with id={run_id} not found")
    return ROOTS[run_id]


async def model_artifact_uri(model_id):
    """Of MODEL."""
    if model_id != MODEL:
        raise Rejected(NOT_FOUND, f"Logged model with ID '{model_id}' not found.")
    return MODEL_ROOT


@web.middleware
async def errors_as_json(request, handler):
    """As the server's own middleware; what is refused and what escapes is kept for the test."""
    try:
        return await handler(request)
    except TracklogError as error:
        request.app[REFUSED].append((request.method, request.path.rpartition("/mlflow-artifacts/")[2]))
        body = msgspec.json.encode({"error_code": error.error_code, "message": error.message})
        return web.Response(body=body, status=error.status, content_type="application/json")
    except Exception as error:
        request.app[ESCAPED].append(error)
        raise


def application(root, config=None, ledger=None):
    """All artifact endpoints over the local store in the directory `root`."""
    app = web.Application(middlewares=[errors_as_json], client_max_size=32 * 2**20)
    app[REFUSED], app[ESCAPED] = [], []
    app[STORE], app[LEDGER] = LocalStore(root), ledger or MemoryLedger()
    app[ARTIFACTS] = Artifacts(app[STORE], app[LEDGER], artifact_uri, model_artifact_uri, config)
    for prefix in ("/api", "/ajax-api"):
        for method, path, handler in app[ARTIFACTS].routes():
            app.router.add_route(method, prefix + path, handler)
    signed = SignedFiles(app[STORE], config).root_routes()
    for method, path, handler in (*app[ARTIFACTS].root_routes(), *signed):
        app.router.add_route(method, path, handler)
    return app


class Server(TestServer):
    """aiohttp's test server with its production default: a handler outlives its client."""

    handler_cancellation = False

    async def _make_runner(self, **kwargs):
        return await super()._make_runner(**{**kwargs, "handler_cancellation": self.handler_cancellation})


class CancellingServer(Server):
    """A server that cancels the handler of a client that hangs up, as all servers do when they stop."""

    handler_cancellation = True


@contextlib.asynccontextmanager
async def connection(http):
    """A plain connection to the server of a test client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def raw(http, request: bytes) -> tuple[int, bytes]:
    """Send bytes as they are, as no client library would, and give the answer's status and body."""
    async with connection(http) as (reader, writer):
        writer.write(request)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def request_bytes(method, target, body=b"", content_type=""):
    """A request as it is sent."""
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{kind}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def refusal(answer):
    """The status, code and message of an answer that is an error."""
    body = await answer.json()
    return answer.status, body["error_code"], body["message"]


def stored(root):
    """Every file under the root, whatever lists it, but for the store's key."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path != Path(files.INCOMING, files.KEY))


def incoming(root):
    """The uploads that the store has not published yet."""
    return {item.name for item in (root / files.INCOMING).iterdir()} - {files.KEY, files.MULTIPART}
