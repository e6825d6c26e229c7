"""The MLflow plugin in tests: in this process, in programs of their own, and in front of a foreign server."""

import contextlib
import http.client
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.store.artifact import artifact_repository_registry, http_artifact_repo
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service import utils

from tests.support.source import ROOT
from tests.support.spools import wait_until
from tracklog.mlflow_plugin import build_artifact_repository, build_store, lane

_SCHEMES = ("http", "https")
_FILES = "mlflow-artifacts"


@contextlib.contextmanager
def plugged_in(url: str) -> Iterator[None]:
    """Until it is left, MLflow makes its stores as where tracklog is installed, and knows `url` already.

    Its repositories of files too.
    """
    registry = utils._tracking_store_registry
    before = {scheme: registry._registry[scheme] for scheme in _SCHEMES}
    for scheme in _SCHEMES:
        registry.register(scheme, build_store)
    repositories = artifact_repository_registry._artifact_repository_registry
    repository = repositories._registry[_FILES]
    repositories.register(_FILES, build_artifact_repository)
    _forget_stores()
    try:
        wait_until(lambda: registry.get_store(url)._native_lane())
        yield
    finally:
        for known in lane._lanes.values():
            known.hand_over()
        for scheme, builder in before.items():
            registry.register(scheme, builder)
        repositories.register(_FILES, repository)
        _forget_stores()


def _forget_stores() -> None:
    type(utils._tracking_store_registry)._get_store_with_resolved_uri.cache_clear()
    lane._lanes.clear()


@contextlib.contextmanager
def requests_seen() -> Iterator[list[str]]:
    """The names of the requests that MLflow's own way makes meanwhile."""
    seen: list[str] = []
    stock = RestStore._call_endpoint

    def call(self: RestStore, api: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(api.__name__)
        return stock(self, api, *args, **kwargs)

    RestStore._call_endpoint = call
    try:
        yield seen
    finally:
        RestStore._call_endpoint = stock


@contextlib.contextmanager
def files_seen() -> Iterator[list[str]]:
    """The requests for files, by method and path, that MLflow's own way makes meanwhile."""
    seen: list[str] = []
    stock = http_artifact_repo.http_request

    def request(creds: Any, endpoint: str, method: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(f"{method} {endpoint}")
        return stock(creds, endpoint, method, *args, **kwargs)

    http_artifact_repo.http_request = request
    try:
        yield seen
    finally:
        http_artifact_repo.http_request = stock


def write_entry_points(directory: Path) -> Path:
    """Make `directory` one that, on PYTHONPATH, has tracklog's entry points as its installation has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = directory / "tracklog_in_tests-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tracklog-in-tests\nVersion: 0\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return directory


class _Foreign(BaseHTTPRequestHandler):
    """Hands MLflow's requests on, and knows nothing of tracklog's."""

    protocol_version = "HTTP/1.1"
    server: "_ForeignServer"

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/tracklog/" in self.path:
            self._answer(404, b"<html>not found</html>")
            return
        parts = urlsplit(self.server.behind)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self._answer(answer.status, answer.read(), answer.headers.get("Location"))
        connection.close()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes, location: str | None = None) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _ForeignServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), _Foreign)


@contextlib.contextmanager
def foreign_server(behind: str) -> Iterator[tuple[str, list[str]]]:
    """The URL of a server of MLflow's protocol that is not tracklog's, and the requests it has had."""
    with _ForeignServer(behind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server.requests
        finally:
            server.shutdown()
