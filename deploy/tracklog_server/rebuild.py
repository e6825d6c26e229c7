"""`tracklog rebuild`: rebuilds the views from the log, with a running server or without."""

import asyncio
from typing import Final

from tracklog_projector.rebuild import rebuild
from tracklog_server.logs import configure
from tracklog_server.prepare import on_database, prepare, tell
from tracklog_server.reach import database_of
from tracklog_server.settings import Settings

INTERRUPTED: Final = 130


def run(settings: Settings) -> int:
    """Rebuild the views of the log that `settings` name; the exit code.

    Raises: StartError, when there is no log or it cannot be reached.
    """
    configure("rebuild")
    try:
        with database_of(settings) as dsn:
            asyncio.run(_rebuild(dsn))
    except KeyboardInterrupt:
        tell("stopped; the live views are as they were")
        return INTERRUPTED
    return 0


async def _rebuild(dsn: str) -> None:
    # An older log is brought to this version first, as a start of the server would.
    async with on_database(dsn, "given") as connection:
        await prepare(connection)
        await rebuild(dsn, tell)
