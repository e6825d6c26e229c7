"""The log's side of artifacts on a real database, with ingest and projector at work in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from tests.support.rooms import prepare
from tracklog_contract.limits import QUOTAS, Quotas
from tracklog_ingest.service import Ingest, IngestConfig
from tracklog_projector.artifacts import ArtifactQueries
from tracklog_projector.projector import run_projector
from tracklog_projector.schema import LIVE
from tracklog_projector.service import Queries
from tracklog_projector.traces import TraceQueries
from tracklog_server.ledger import LogLedger


@dataclass(frozen=True)
class Rooms:
    """The write side, the read side, and the ledger over both."""

    ingest: Ingest
    queries: Queries
    ledger: LogLedger


@contextlib.asynccontextmanager
async def serving(dsn: str, quotas: Quotas = QUOTAS["default"]) -> AsyncIterator[Rooms]:
    """What one server process has, on a database that `prepare` has prepared."""
    async with (
        asyncpg.create_pool(dsn, min_size=1, max_size=3, server_settings={"jit": "off"}) as writing,
        asyncpg.create_pool(dsn, min_size=1, max_size=3, server_settings={"search_path": LIVE}) as reading,
    ):
        queries = Queries(reading, dsn)
        ingest = Ingest(
            writing,
            IngestConfig(quotas),
            views=queries.checkpoints,
            read_model=queries.logged_model,
            traces=TraceQueries(queries),
        )
        running = [asyncio.create_task(ingest.run()), asyncio.create_task(queries.run())]
        try:
            yield Rooms(ingest, queries, LogLedger(ingest, ArtifactQueries(queries)))
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)


@contextlib.asynccontextmanager
async def projecting(dsn: str) -> AsyncIterator[None]:
    """A prepared database and the projector at work on it."""
    await prepare(dsn)
    stop = asyncio.Event()
    projector = asyncio.create_task(run_projector(dsn, stop))
    try:
        yield
    finally:
        stop.set()
        await projector
