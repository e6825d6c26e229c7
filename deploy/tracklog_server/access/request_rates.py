"""Holds workspaces, experiments and principals to their requests a second, over all processes together.

The bucket is a row of the database. A process takes requests out of it some at a time, so that it asks about
twenty times a second at most however many requests come, and remembers for how long it is empty.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import asyncpg
import structlog

from tracklog_contract.caller import Caller
from tracklog_contract.quotas import EXPERIMENT, PRINCIPAL, REQUESTS_PER_SECOND, WORKSPACE
from tracklog_contract.sqlfiles import statements
from tracklog_ingest.tally import rate_exceeded

SQL: Final = statements("tracklog_server")
POLL_S: Final = 0.5
LEASES_A_SECOND: Final = 20
log = structlog.get_logger()


class RequestRates:
    """Who may make only so many requests. `run` must be running: it hears of changes within POLL_S."""

    def __init__(self, pool: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._changes = 0
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._of_experiments: dict[int, Bucket] = {}

    async def run(self) -> None:
        """Ask for changes of quotas until cancelled."""
        told = ""
        while True:
            try:
                changes = await self._pool.fetchval(SQL["get_quota_changes"], timeout=POLL_S)
                if changes != self._changes:
                    await self._load()
                    self._changes = changes
                told = ""
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                if reason != told:
                    log.warning("quota_watch_lost", reason=reason)
                told = reason
            await asyncio.sleep(POLL_S)

    async def _load(self) -> None:
        rows = await self._pool.fetch(SQL["get_request_rates"], REQUESTS_PER_SECOND)
        self._buckets = {
            (row["scope"], row["subject"]): Bucket(self._pool, self._clock, *row.values()) for row in rows
        }
        self._of_experiments = {
            int(subject): bucket for (scope, subject), bucket in self._buckets.items() if scope == EXPERIMENT
        }

    async def take(self, who: Caller) -> Caller:
        """Count a request of this caller; the answer is the caller, who counts it for experiments.

        Raises: TooMany, when there were too many of late.
        """
        if not self._buckets:
            return who
        for subject in ((PRINCIPAL, who.principal), (WORKSPACE, who.workspace)):
            bucket = self._buckets.get(subject)
            if bucket is not None:
                await bucket.take()
        return replace(who, requests=OneRequest(self._of_experiments)) if self._of_experiments else who


class OneRequest:
    """A request, which the rooms count for each experiment that they find it touches."""

    def __init__(self, buckets: Mapping[int, "Bucket"]) -> None:
        self._buckets = buckets
        self._counted: set[int] = set()

    def limits(self, experiment_id: int) -> bool:
        """Does this experiment take only so many requests a second."""
        return experiment_id in self._buckets

    async def take(self, experiment_ids: Iterable[int]) -> None:
        """Count the request for each of these experiments, once however often it asks.

        Raises: TooMany, when one of them had too many of late.
        """
        for number in sorted(self._buckets.keys() & (set(experiment_ids) - self._counted)):
            # Noted before waiting: what a request does side by side counts once.
            self._counted.add(number)
            try:
                await self._buckets[number].take()
            except BaseException:
                self._counted.discard(number)
                raise


class Bucket:
    """A bucket of a second's requests, of which this process holds some."""

    def __init__(self, pool: Any, clock: Callable[[], float], scope: str, subject: str, most: int) -> None:
        self._pool = pool
        self._clock = clock
        self._scope = scope
        self._subject = subject
        self._most = most
        self._held = 0
        self._empty_until = -math.inf
        self._asking = asyncio.Lock()

    async def take(self) -> None:
        """One request.

        Raises: TooMany.
        """
        while not self._held:
            async with self._asking:
                # Those who waited here find what the first of them was given.
                if not self._held:
                    await self._lease()
        self._held -= 1

    async def _lease(self) -> None:
        wait_s = self._empty_until - self._clock()
        if wait_s <= 0:
            wanted = max(1, self._most // LEASES_A_SECOND)
            row = await self._pool.fetchrow(
                SQL["take_requests"], self._scope, self._subject, REQUESTS_PER_SECOND, wanted
            )
            # A limit that has been taken away meanwhile holds nobody back.
            self._held, wait_s = (wanted, 0.0) if row is None else row
            self._empty_until = self._clock() + wait_s
        if not self._held:
            seconds = max(1, math.ceil(wait_s))
            raise rate_exceeded(REQUESTS_PER_SECOND, self._most, self._scope, seconds)
