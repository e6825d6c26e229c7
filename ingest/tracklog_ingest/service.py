"""The write side as one object: what deploy starts, and what the endpoints submit commands to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg

from tracklog_contract.artifact_places import UploadIntent
from tracklog_contract.limits import QUOTAS, Quotas
from tracklog_contract.sqlfiles import statements
from tracklog_contract.trace_answers import TraceView
from tracklog_ingest.append import AppendConfig, Appender, Command, Views
from tracklog_ingest.upload_intents import read_intents, walk_intents

SQL = statements("tracklog_ingest")
ReadModel = Callable[[str], Awaitable[dict[str, Any]]]


class TraceReads(Protocol):
    """What the write side asks the views about traces; they hold all that was acknowledged before."""

    async def trace(self, trace_id: str) -> TraceView:
        """A trace.

        Raises: Rejected, when there is none.
        """

    async def oldest_traces(
        self, experiment_id: int, trace_ids: Sequence[str] | None, until_ms: int | None, most: int | None
    ) -> list[str]:
        """The ids of an experiment's traces, oldest first: of `trace_ids`, up to a time, at most so many."""


@dataclass(frozen=True)
class IngestConfig:
    """Quotas, and the bounds of the append queue."""

    quotas: Quotas = QUOTAS["default"]
    append: AppendConfig = field(default_factory=AppendConfig)


class Ingest:
    """Admits and appends commands of this process.

    Args: views: how far the projector is. read_model: answers a logged model from the views, for those of
    MLflow's endpoints that answer the whole model they changed. traces: the same for traces.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        config: IngestConfig,
        *,
        views: Views,
        read_model: ReadModel,
        traces: TraceReads,
    ) -> None:
        self._pool = pool
        self._appender = Appender(pool, config.quotas, views, config.append)
        self.read_model = read_model
        self.traces = traces

    async def submit(self, command: Command) -> Any:
        """As `Appender.submit`."""
        return await self._appender.submit(command)

    async def run(self) -> None:
        """Append until cancelled."""
        await self._appender.run()

    async def drain(self) -> None:
        """Wait until every command taken has its answer."""
        await self._appender.drain()

    async def upload_intents(self, path: str) -> list[UploadIntent]:
        """As `read_intents`: the uploads intended at a path of the artifact store."""
        return await read_intents(self._pool, path)

    async def upload_intents_below(self, path: str, *, after: str, limit: int) -> list[UploadIntent]:
        """As `walk_intents`: the uploads intended at and below a path of the artifact store, by pages."""
        return await walk_intents(self._pool, path, after=after, limit=limit)

    async def can_append(self) -> bool:
        """Would the database take an append now: it is writable and has a log."""
        return bool(await self._pool.fetchval(SQL["can_append"]))
