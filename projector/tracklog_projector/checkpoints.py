"""Knows how far the views are, and wakes whoever waits for them to come further."""

import asyncio
import time
from typing import Any

import asyncpg
import structlog

from tracklog_contract.errors import Unavailable
from tracklog_contract.sqlfiles import statements
from tracklog_projector.schema import LIVE

SQL = statements("tracklog_projector")
CHANNEL = "tracklog_views"
# On this one ingest tells of appends, and a reader who waits says HURRY, with ":" and a position when it
# needs the table of latest points up to there.
LOG_CHANNEL = "tracklog_log"
HURRY = "hurry"
log = structlog.get_logger()


class Checkpoints:
    """The views' position as this process knows it: never ahead of the truth.

    `run` must be running: it listens for the projector's notifications, and asks once in a while in case
    one is lost.
    """

    def __init__(self, dsn: str, *, poll_s: float = 0.5) -> None:
        self._dsn = dsn
        self._poll_s = poll_s
        self._waiters: set[tuple[int, bool, asyncio.Future[None]]] = set()
        self.position = 0
        self.metrics_position = 0

    def at(self, position: int, *, metrics: bool = False) -> bool:
        """Do the views hold everything up to `position`; with `metrics` the table of latest points too."""
        return (self.metrics_position if metrics else self.position) >= position

    async def reach(self, position: int, *, timeout_s: float, metrics: bool = False) -> bool:
        """Wait until `at` says so; False when the time is up first."""
        if self.at(position, metrics=metrics):
            return True
        waiter = (position, metrics, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter[2], timeout_s)
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    async def require(
        self, pool: Any, position: int, *, timeout_s: float = 15.0, metrics: bool = False
    ) -> None:
        """As `reach`, and through `pool` tell the projector not to pause.

        Raises: Unavailable, when the time is up.
        """
        if not self.at(position, metrics=metrics):
            hurry = f"{HURRY}:{position}" if metrics else HURRY
            await pool.execute(SQL["hurry"], LOG_CHANNEL, hurry)
        if not await self.reach(position, timeout_s=timeout_s, metrics=metrics):
            raise Unavailable("the views have not caught up with the log yet: send the request again.")

    async def run(self) -> None:
        """Follow the projector until cancelled, through any loss of the connection."""
        told = ""
        while True:
            started = time.monotonic()
            try:
                await self._follow()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                if reason != told:
                    log.warning("checkpoint_watch_lost", reason=reason)
                told = reason
            await asyncio.sleep(max(0.0, 0.2 - (time.monotonic() - started)))

    async def _follow(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=5)
        # A database that crashed may have lost the last folds, so nothing is known until it is asked again.
        connection.add_termination_listener(self._forget)
        try:
            await connection.add_listener(CHANNEL, self._notified)
            while True:
                found = await connection.fetchrow(SQL["live_checkpoint"], timeout=5)
                if found is not None:
                    self._advance(*found)
                await asyncio.sleep(self._poll_s)
        finally:
            connection.terminate()

    def _forget(self, _connection: Any) -> None:
        self.position = self.metrics_position = 0

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        schema, *positions = str(payload).split(":")
        if schema == LIVE:
            self._advance(*map(int, positions))

    def _advance(self, position: int, metrics_position: int) -> None:
        self.position = max(self.position, position)
        self.metrics_position = max(self.metrics_position, metrics_position)
        for wanted, metrics, waiter in self._waiters:
            if self.at(wanted, metrics=metrics) and not waiter.done():
                waiter.set_result(None)
