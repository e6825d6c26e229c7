"""A whole server that is killed, in parts or all of it, and comes back on its port."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from tests.support.api import LOST, Api
from tests.support.server import Server, start_server
from tracklog_server.embedded import socket_dsn

COMES_BACK_S = 30.0


class Service:
    """A server on one port and data directory, killed and started again."""

    def __init__(
        self, directory: Path, workers: int, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._data_dir = directory / "data"
        self._options = ("--workers", str(workers), *options)
        self._environment = environment
        self._port = "0"
        self.server = self._start()

    def _start(self) -> Server:
        options = ("--port", self._port, *self._options)
        server = start_server(self._data_dir, *options, environment=self._environment)
        server.wait_until_ready()
        self._port = server.url.rpartition(":")[2]
        return server

    def kill(self, victim: str, chance: random.Random) -> bool:
        """SIGKILL one process of a kind; False when there is none at this moment."""
        if victim == "parent":
            self.server.kill()
            assert self.server.survivors() == [], "a process outlived its parent"
            self.server = self._start()
            return True
        pids = self.server.pids_by_role()[victim]
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)
        return True

    def await_health(self) -> None:
        """The service comes back by itself."""
        deadline = time.monotonic() + COMES_BACK_S
        with Api(self.server.url, timeout_s=5) as api:
            while True:
                with contextlib.suppress(*LOST):
                    if api.call("GET", "/health").status == 200:
                        return
                assert time.monotonic() < deadline, self.server.log()[-3000:]
                time.sleep(0.05)

    def warnings(self) -> str:
        """The last warnings that the server logged."""
        lines = [line for line in self.server.log().splitlines() if '"request_served"' not in line]
        return "\n".join(lines[-40:])

    @property
    def dsn(self) -> str:
        """The server's database."""
        return socket_dsn(self._data_dir.resolve() / "postgres-socket")

    async def positions(self) -> list[int]:
        """Every position in the log, in order."""
        connection = await asyncpg.connect(self.dsn)
        try:
            rows = await connection.fetch("select position from tracklog_log.entry order by position")
            return [row["position"] for row in rows]
        finally:
            await connection.close()
