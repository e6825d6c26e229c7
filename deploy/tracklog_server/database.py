"""Connections to PostgreSQL, and what its errors mean to a client."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from tracklog_contract.errors import Busy, TracklogError, Unavailable

NO_SETTINGS: Final[Mapping[str, str]] = {}
CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 60.0
# SQLSTATE classes that say "not now": connection, rolled back, resources, operator, system.
_UNAVAILABLE_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
_TOO_MANY_CONNECTIONS: Final = "53300"
_READ_ONLY: Final = "25006"  # a replica answers: the primary moved


def open_pool(
    dsn: str, name: str, *, schema: str, connections_max: int, settings: Mapping[str, str] = NO_SETTINGS
) -> Any:
    """A pool that connects when first needed, so a server can say "not now" while its database is away.

    `name` is what the database shows the connections by; their unqualified names are those of `schema`, and
    `settings` are more of PostgreSQL's.
    Connecting raises ConnectionError, whatever the system's own error was.
    """
    return asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=connections_max,
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=CONNECT_TIMEOUT_S,
        connect=_connect,
        server_settings={
            "application_name": f"tracklog {name}",
            "search_path": schema,
            "jit": "off",
            **settings,
        },
    )


async def _connect(*arguments: Any, **options: Any) -> Any:
    try:
        return await asyncpg.connect(*arguments, **options)
    except OSError as error:
        # A missing socket is a FileNotFoundError, say; nobody should take that for a missing artifact.
        raise ConnectionError(f"the database cannot be reached: {error}") from error


def unavailable(error: BaseException) -> TracklogError | None:
    """What a database error means to a client that may resend; None when the error is not of that kind."""
    if isinstance(error, (Busy, Unavailable)):
        return error
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state == _TOO_MANY_CONNECTIONS:
            return Busy("the database has no connection to spare")
        if state[:2] in _UNAVAILABLE_CLASSES or state == _READ_ONLY:
            return Unavailable("the database did not finish the request")
        return None
    if isinstance(error, (asyncpg.InterfaceError, ConnectionError, TimeoutError)):
        return Unavailable("the database connection was lost or too slow")
    return None
