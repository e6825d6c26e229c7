"""A server that asks who one is, with people of every level, and something in it that not all may see."""

import asyncio
import base64
import contextlib
import datetime as dt
import secrets
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tests.support import otlp
from tests.support.api import Api
from tests.support.server import Server, running_server
from tracklog_contract.caller import Level
from tracklog_ingest.access import permissions, principals, workspaces
from tracklog_ingest.access.permissions import Resource
from tracklog_ingest.access.turn import Turn, turn_of
from tracklog_server.access import passwords, tokens
from tracklog_server.embedded import socket_dsn

PASSWORD = "a password for tests"
OTHER_WORKSPACE = "elsewhere"


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def basic(name: str, password: str) -> dict[str, str]:
    """The header that shows a name and a password."""
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


@dataclass
class Access:
    """A server with authentication, and one token of each principal made here."""

    server: Server
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        """The server's own database."""
        return socket_dsn(self.server.data_dir.resolve() / "postgres-socket")

    def change(self, what: Callable[[Turn], Coroutine[Any, Any, Any]], principal: str = "") -> Any:
        """What a change of access answers."""

        async def run() -> Any:
            connection = await asyncpg.connect(self.dsn)
            try:
                async with turn_of(connection, principal) as turn:
                    return await what(turn)
            finally:
                await connection.close()

        return asyncio.run(run())

    def value(self, statement: str, *arguments: object) -> Any:
        """The first value that a statement gives."""

        async def run() -> Any:
            connection = await asyncpg.connect(self.dsn)
            try:
                return await connection.fetchval(statement, *arguments)
            finally:
                await connection.close()

        return asyncio.run(run())

    def position(self) -> int:
        """The position of the log's last entry."""
        return int(self.value("select position from tracklog_log.head where partition = 0"))

    def headers(self, name: str) -> dict[str, str]:
        """The header that shows a principal's token."""
        return bearer(self.tokens[name])

    def make_principal(self, name: str, **options: Any) -> None:
        """A principal with a token and PASSWORD."""

        async def make(turn: Turn) -> None:
            await principals.create_principal(turn, name, password=passwords.hashed(PASSWORD), **options)

        self.change(make)
        self.tokens[name] = self.make_token(name)

    def make_token(self, name: str, **options: Any) -> str:
        """A further token of a principal."""
        token = tokens.new_token()

        async def make(turn: Turn) -> None:
            await principals.create_token(turn, name, token.token_id, token.digest, **options)

        self.change(make)
        return token.text

    def expired_token(self, name: str) -> str:
        """A token of a principal that was good until a moment ago."""
        return self.make_token(name, expires_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))

    def grant(self, name: str, level: Level, experiment_id: str, workspace: str = "default") -> None:
        """Give a principal a level on an experiment."""

        async def set_it(turn: Turn) -> None:
            resource = Resource("experiment", experiment_id)
            await permissions.set_permission(turn, workspace, resource, level, principal=name)

        self.change(set_it)


@dataclass(frozen=True)
class World:
    """An experiment with one of everything in it; `secret` is in all their names, `hidden` in all values.

    Who asks for something by name knows the first, so that it may be said again; never the second.
    """

    experiment_id: str
    name: str
    run_id: str
    model_id: str
    trace_id: str
    assessment_id: str
    secret: str
    hidden: str = ""


def spans(trace_id: str, name: str, inputs: str = "") -> bytes:
    """An OTLP request with the one span of a trace."""
    return otlp.request(otlp.span(bytes.fromhex(trace_id), 1, name=name, mlflow__spanInputs=f'"{inputs}"'))


def make_world(api: Api, headers: Mapping[str, str]) -> World:
    """Make an experiment with a run, a model, a trace and a file, as whoever `headers` show."""
    secret, hidden = f"secret-{secrets.token_hex(8)}", f"hidden-{secrets.token_hex(8)}"

    def post(path: str, fields: Any) -> Any:
        answer = api.call("POST", path, fields, headers)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json

    experiment_id = post("experiments/create", {"name": secret})["experiment_id"]
    run = post("runs/create", {"experiment_id": experiment_id, "run_name": secret})
    run_id = run["run"]["info"]["run_id"]
    post(
        "runs/log-batch",
        {
            "run_id": run_id,
            "metrics": [{"key": secret, "value": 1.5, "timestamp": 1, "step": 0}],
            "params": [{"key": "p", "value": hidden}],
            "tags": [{"key": "t", "value": hidden}],
        },
    )
    dataset = {"name": secret, "digest": "d", "source_type": "s", "source": hidden}
    post("runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": []}]})
    model = post(
        "logged-models",
        {"experiment_id": experiment_id, "name": secret, "tags": [{"key": "t", "value": hidden}]},
    )
    trace_id = secrets.token_hex(16)
    sent = {**headers, "Content-Type": otlp.PROTOBUF, "x-mlflow-experiment-id": experiment_id}
    assert api.call("POST", otlp.PATH, spans(trace_id, secret, hidden), sent).status == 200
    trace_id = f"tr-{trace_id}"
    assessment = post(
        f"/api/3.0/mlflow/traces/{trace_id}/assessments",
        {
            "assessment": {
                "assessment_name": secret,
                "trace_id": trace_id,
                "source": {"source_type": "HUMAN", "source_id": "me"},
                "feedback": {"value": hidden},
            }
        },
    )["assessment"]["assessment_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/{run_id}/artifacts/{secret}.txt"
    assert api.call("PUT", path, hidden.encode(), headers).status == 200
    return World(
        experiment_id,
        secret,
        run_id,
        model["model"]["info"]["model_id"],
        trace_id,
        assessment,
        secret,
        hidden,
    )


# What one may do with a world, by name; in the default workspace nobody may do anything unless it is said.
LEVELS = {"stranger": None, "reader": Level.READ, "editor": Level.EDIT, "manager": Level.MANAGE}


def new_world(access: Access, api: Api) -> World:
    """A world of root's, on which each of LEVELS has their level."""
    world = make_world(api, access.headers("root"))

    async def grant(turn: Turn) -> None:
        resource = Resource("experiment", world.experiment_id)
        for name, level in LEVELS.items():
            if level is not None:
                await permissions.set_permission(turn, "default", resource, level, principal=name)

    access.change(grant)
    return world


@contextlib.contextmanager
def running_access(*options: str) -> Iterator[Access]:
    """A server of two processes with authentication: root, each of LEVELS, and an outsider."""
    with running_server(None, "--auth", "--workers", "2", *options) as server:
        access = Access(server)
        access.change(make_workspace)
        access.make_principal("root", admin=True)
        for name in LEVELS:
            access.make_principal(name)
        access.make_principal("outsider", home=OTHER_WORKSPACE)
        yield access


async def make_workspace(turn: Turn) -> None:
    """The workspace OTHER_WORKSPACE; and in the default one nobody may do anything by default."""
    await workspaces.create_workspace(turn, OTHER_WORKSPACE)
    await workspaces.change_workspace(turn, "default", default_level=Level.NONE)
