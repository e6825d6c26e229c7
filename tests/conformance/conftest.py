"""One tracklog server for the whole folder, and the ways in which its tests reach it."""

import asyncio
import http.client
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import mlflow
import pytest
from mlflow import MlflowClient

from tests.support.access import Access, World, new_world, running_access
from tests.support.api import Api, path_of
from tests.support.databricks import AsUser, fluent_users
from tests.support.server import Server, running_server
from tests.support.spools import temporary_spool
from tracklog.config import mlflow_plugin_is_on
from tracklog_contract.errors import MESSAGE_CHARS_MAX
from tracklog_server.embedded import socket_dsn

_numbers = itertools.count()


@pytest.fixture(scope="session")
def tracking_server() -> Iterator[Server]:
    """A running server with Databricks' quotas, shared by all tests: each makes experiments of its own."""
    with (
        running_server(None, "--quotas", "databricks") as server,
        temporary_spool() as spool_dir,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TRACKLOG_SPOOL_DIR", str(spool_dir))
        # Nothing is tried again behind a test's back: whatever the server answers first is what counts.
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield server


@pytest.fixture(scope="session")
def access() -> Iterator[Access]:
    """A server with authentication, and a principal of each level; shared as `tracking_server` is."""
    with running_access() as access, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield access


@pytest.fixture(scope="session")
def access_api(access: Access) -> Iterator[Api]:
    """A connection to `access`."""
    with Api(access.server.url) as api:
        yield api


@pytest.fixture(scope="session")
def world(access: Access, access_api: Api) -> World:
    """Something on `access` in which nothing changes."""
    return new_world(access, access_api)


@pytest.fixture
def as_user(access: Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsUser]:
    """Makes MLflow's fluent API that of a user of `access`, by a way: "databricks", or "basic"."""
    with fluent_users(access, monkeypatch) as as_user:
        yield as_user


@pytest.fixture
def without_plugin(tracking_server: Server) -> None:
    """Skips a test of what the server itself answers at once, where the plugin asks it later."""
    if mlflow_plugin_is_on():
        pytest.skip("the plugin is on")


@pytest.fixture
def tracking(tracking_server: Server) -> Iterator[str]:
    """The server's URL, which MLflow's fluent API uses meanwhile."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_server.url)
    yield tracking_server.url
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


@pytest.fixture
def client(tracking: str) -> MlflowClient:
    """MLflow's client of the server."""
    return MlflowClient(tracking)


@pytest.fixture
def api(tracking_server: Server) -> Iterator[Api]:
    """A plain HTTP client of the server."""
    with Api(tracking_server.url) as api:
        yield api


@pytest.fixture
def new_name(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Gives names that nothing else on the server has."""
    return lambda: f"{request.function.__name__} {next(_numbers)}"


@pytest.fixture
def experiment(client: MlflowClient, new_name: Callable[[], str]) -> str:
    """The id of a new experiment, in which the fluent API logs meanwhile."""
    return mlflow.set_experiment(new_name()).experiment_id


@pytest.fixture
def run_id(client: MlflowClient, experiment: str) -> str:
    """The id of a new run in the new experiment."""
    return client.create_run(experiment).info.run_id


@pytest.fixture
def usual_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are logged with their flavour's usual requirements.

    MLflow finds out others by loading the model in a new process: many seconds in which it asks no server.
    """
    monkeypatch.setattr(mlflow.models, "infer_pip_requirements", lambda *_, fallback, **__: fallback)


@pytest.fixture
def database_value(tracking_server: Server) -> Callable[..., object]:
    """Runs a statement on the server's own database; gives the first value of its first row."""
    dsn = socket_dsn(tracking_server.data_dir.resolve() / "postgres-socket")

    async def value(statement: str, *arguments: object) -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return lambda statement, *arguments: asyncio.run(value(statement, *arguments))


@pytest.fixture
def log_position(database_value: Callable[..., object]) -> Callable[[], object]:
    """Tells the position of the last entry in the log."""
    return lambda: database_value("select position from tracklog_log.head where partition = 0")


@pytest.fixture
def send(tracking_server: Server) -> Callable[..., tuple[int, Any]]:
    """Sends bytes as they are; gives the status and the JSON answer."""
    parts = urlsplit(tracking_server.url)

    def send(
        method: str, path: str, body: bytes | Iterator[bytes] = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"} if headers is None else headers
            connection.request(method, path_of(path), body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def refused(send: Callable[..., tuple[int, Any]], log_position: Callable[[], object]) -> Callable[..., str]:
    """Sends what must be refused as MLflow refuses, with nothing of it in the log; gives the error code."""

    def refused(method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> str:
        before = log_position()
        status, answer = send(
            method, path, body if isinstance(body, bytes) else json.dumps(body).encode(), headers
        )
        assert 400 <= status < 500, (status, answer)
        assert set(answer) == {"error_code", "message"}
        # A sentence: neither nothing, nor all of what was sent.
        assert 0 < len(answer["message"]) <= MESSAGE_CHARS_MAX
        assert log_position() == before
        return str(answer["error_code"])

    return refused
