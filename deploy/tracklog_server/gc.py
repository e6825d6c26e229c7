"""`tracklog gc`: says what was deleted long ago, and with --delete takes it away, for good."""

import asyncio
import contextlib
import getpass
import sys
import time
from collections.abc import AsyncIterator
from typing import Final

from tracklog_artifacts.stores import open_store
from tracklog_contract.limits import QUOTAS
from tracklog_ingest.service import Ingest, IngestConfig
from tracklog_projector.artifacts import ArtifactQueries
from tracklog_projector.projector import run_projector
from tracklog_projector.rebuild import rebuild
from tracklog_projector.schema import LIVE
from tracklog_projector.service import Queries
from tracklog_projector.traces import TraceQueries
from tracklog_server.collect import Collector, Plan
from tracklog_server.database import open_pool
from tracklog_server.gc_options import GcOptions
from tracklog_server.ledger import LogLedger
from tracklog_server.logs import configure
from tracklog_server.orphans import OrphanPlan
from tracklog_server.prepare import on_database, prepare, tell
from tracklog_server.problems import StartError
from tracklog_server.reach import database_of
from tracklog_server.settings import Settings

CONNECTIONS_MAX: Final = 3
INTERRUPTED: Final = 130
# A file that is younger may be recorded yet: it is told as nobody's only to who asks for younger ones.
ORPHANS_TOLD_S: Final = 24 * 3600
# Held by the process that collects, for as long as it lives.
GC_LOCK: Final = 0x747261636B676320


def run(settings: Settings, options: GcOptions) -> int:
    """Collect the garbage of the server that `settings` name; the exit code.

    Raises: StartError, when there is no log, or it cannot be reached.
    """
    configure("gc")
    options.check()
    plan = _plan(options, time.time(), f"tracklog gc ({_user()})")
    try:
        with database_of(settings) as dsn:
            asyncio.run(_collect(dsn, settings, plan))
    except KeyboardInterrupt:
        tell("stopped; the next gc goes on from here")
        return INTERRUPTED
    return 0


def _plan(options: GcOptions, now_s: float, principal: str) -> Plan:
    """What is to be done, from what was asked for at a time."""
    adopt = options.adopt_orphans is not None
    orphans_s = options.adopt_orphans if adopt else options.delete_orphans
    return Plan(
        delete=options.delete,
        until_ms=int((now_s - options.older_than) * 1000),
        uploads_until_s=now_s - options.uploads_older_than,
        orphans=OrphanPlan(
            until_s=now_s - (ORPHANS_TOLD_S if orphans_s is None else orphans_s),
            adopt=adopt,
            act=options.record if adopt else options.delete and orphans_s is not None,
            principal=principal,
        ),
        principal=principal,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A process of a container may have a user without a name.
        return "unknown"


async def _collect(dsn: str, settings: Settings, plan: Plan) -> None:
    async with on_database(dsn, "given") as connection:
        if not await prepare(connection):
            await rebuild(dsn, tell)
        if not await connection.fetchval("select pg_try_advisory_lock($1)", GC_LOCK):
            raise StartError("another tracklog gc is at work")
        async with _rooms(dsn) as (ingest, queries):
            ledger = LogLedger(ingest, ArtifactQueries(queries))
            store = open_store(settings.artifact_place)
            collector = Collector(connection, ingest, queries, ledger, store, plan)
            async for line in collector.collect():
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()


@contextlib.asynccontextmanager
async def _rooms(dsn: str) -> AsyncIterator[tuple[Ingest, Queries]]:
    """The write and the read side at work, and a projector for when no server runs one."""
    async with (
        open_pool(dsn, "gc", schema="tracklog_log", connections_max=CONNECTIONS_MAX) as writing,
        open_pool(dsn, "gc queries", schema=LIVE, connections_max=CONNECTIONS_MAX) as reading,
    ):
        queries = Queries(reading, dsn)
        ingest = Ingest(
            writing,
            IngestConfig(QUOTAS["default"]),
            views=queries.checkpoints,
            read_model=queries.logged_model,
            traces=TraceQueries(queries),
        )
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(ingest.run(), name="ingest"),
                tasks.create_task(queries.run(), name="queries"),
                tasks.create_task(run_projector(dsn, asyncio.Event()), name="projector"),
            ]
            yield ingest, queries
            for task in running:
                task.cancel()
