"""`tracklog rebuild`: rebuilds the views from the log, with a running server or without."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tracklog_projector.rebuild import rebuild
from tracklog_server.data_dir import DataDirectory, holder_of
from tracklog_server.embedded import EmbeddedPostgres, socket_dsn
from tracklog_server.logs import configure
from tracklog_server.prepare import on_database, prepare, tell
from tracklog_server.problems import StartError
from tracklog_server.settings import Settings

CONNECTIONS_MAX: Final = 20
INTERRUPTED: Final = 130


def run(settings: Settings) -> int:
    """Rebuild the views of the log that `settings` name; the exit code.

    Raises: StartError, when there is no log or it cannot be reached.
    """
    configure("rebuild")
    try:
        with _database(settings) as dsn:
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


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        yield settings.database_url
    elif not (settings.data_dir / "postgres").exists():
        raise StartError(f"there is no tracklog data in {settings.data_dir}")
    elif (holder := holder_of(settings.data_dir)) is not None:
        if not holder.socket_dir:
            raise StartError(
                f"process {holder.pid} uses {settings.data_dir} with another database: give its URL"
            )
        yield socket_dsn(Path(holder.socket_dir))
    else:
        held = DataDirectory.take(settings.data_dir)
        try:
            with _running(EmbeddedPostgres(settings.data_dir, CONNECTIONS_MAX)) as dsn:
                yield dsn
        finally:
            held.release()


@contextlib.contextmanager
def _running(postgres: EmbeddedPostgres) -> Iterator[str]:
    postgres.prepare()
    process = postgres.start(output=2)
    try:
        while not postgres.accepts():
            if process.poll() is not None:
                raise StartError("PostgreSQL did not start; its lines above say why")
            time.sleep(0.02)
        yield postgres.dsn
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        postgres.close()
