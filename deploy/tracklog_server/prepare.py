"""The short-lived process before all others: makes sure that the database is there and has our schema."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.store import Misconfigured
from tracklog_contract.errors import TracklogError
from tracklog_contract.sqlfiles import statements
from tracklog_ingest.migrate import migrate, seed
from tracklog_projector.rebuild import rebuild
from tracklog_projector.schema import ensure_views
from tracklog_server.embedded import administrator_dsn
from tracklog_server.problems import StartError
from tracklog_server.task import Database, Task

SQL: Final = statements("tracklog_server")
POSTGRES_MAJOR_MIN: Final = 14
CONNECT_TIMEOUT_S: Final = 10.0


async def run(task: Task, _: asyncio.Event) -> None:
    """Create what is missing: an embedded database, the log's schema, experiment 0, the views.

    Raises: StartError, when the database cannot be reached or is not one for tracklog.
    """
    if task.s3 is not None:
        await _check_bucket(task.s3)
    async with on_database(task.dsn, task.database) as connection:
        if not await prepare(connection):
            # Views are never migrated: those of another version are made anew from the log.
            await rebuild(task.dsn, tell)
        if task.auth and not await connection.fetchval(SQL["has_admin"]):
            tell("nobody can sign in yet; with this server's --data-dir or --database-url, run")
            tell("  tracklog user create NAME --admin && tracklog token create --user NAME")


async def _check_bucket(config: S3Config) -> None:
    """Say at once what would fail with the first artifact.

    Raises: StartError, when only the operator can change it. A store that is merely down may come back.
    """
    from tracklog_artifacts.s3 import S3Store  # noqa: PLC0415 - boto3 takes a second

    try:
        await S3Store(config).check()
    except Misconfigured as error:
        raise StartError(error.message) from error
    except TracklogError as error:
        tell(f"{error.message} Until then no artifact can be stored or read.")


@contextlib.asynccontextmanager
async def on_database(dsn: str, database: Database) -> AsyncIterator[Any]:
    """A connection to the database. An embedded one is created first if it is missing.

    Raises: StartError, in one line, for what goes wrong with the database inside.
    """
    try:
        connection = await _connect(dsn, database)
        try:
            yield connection
        finally:
            await connection.close()
    except TracklogError as error:
        raise StartError(error.message) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise StartError(f"the database at {place_of(dsn)} {_complaint(error)}") from error


async def prepare(connection: Any) -> bool:
    """Bring the database to this version; False when its views are of another one, and must be rebuilt.

    Raises: StartError, when the database is not one for tracklog.
    """
    version = connection.get_server_version()
    if version.major < POSTGRES_MAJOR_MIN:
        raise StartError(
            f"PostgreSQL {version.major} is too old: tracklog needs {POSTGRES_MAJOR_MIN} or newer"
        )
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise StartError(f"the database's encoding is {encoding}: tracklog needs one made with UTF8")
    await migrate(connection)
    await seed(connection)
    return await ensure_views(connection)


def tell(line: str) -> None:
    """Show progress to whoever waits."""
    sys.stderr.write(f"tracklog: {line}\n")


async def _connect(dsn: str, database: Database) -> Any:
    if database == "new":
        await _create_database(administrator_dsn(dsn))
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
        if database == "given":
            raise
    # The first start was cut short between making the directory and making the database in it.
    await _create_database(administrator_dsn(dsn))
    return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)


async def _create_database(dsn: str) -> None:
    administrator = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        # A first start that was cut short may have made one or both.
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await administrator.execute(SQL["create_role"])
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await administrator.execute(SQL["create_database"])
    finally:
        await administrator.close()


def place_of(dsn: str) -> str:
    """Where a database URL points to, without its user and password."""
    parts = urlsplit(dsn)
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return f"{host}:{parts.port or 5432}{parts.path}"


def _complaint(error: Exception) -> str:
    if isinstance(error, OSError):
        # Where several addresses were tried there is a text of all instead of one number's.
        return f"cannot be reached: {error.strerror or str(error) or 'no answer in time'}"
    text = str(error).partition("\n")[0]
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"refuses the login: {text}"
    return f"cannot be used: {text}"
