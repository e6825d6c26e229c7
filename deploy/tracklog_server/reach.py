"""Reaches the database of a server from beside it, whether that server runs or not."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tracklog_server.data_dir import DataDirectory, holder_of
from tracklog_server.embedded import EmbeddedPostgres, socket_dsn
from tracklog_server.problems import StartError
from tracklog_server.settings import Settings

CONNECTIONS_MAX: Final = 20


@contextlib.contextmanager
def database_of(settings: Settings) -> Iterator[str]:
    """The DSN of the database that `settings` name; an embedded one is started if no server runs it.

    Raises: StartError, when there is none.
    """
    if settings.database_url is not None:
        yield settings.database_url
    elif not (settings.data_dir / "postgres").exists():
        raise StartError(
            f"there is no tracklog data in {settings.data_dir}: give the server's --data-dir or"
            " --database-url, or start `tracklog server` first, which makes it"
        )
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
