"""The rooms' inner objects on a real database, without the server around them."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from tracklog_contract.ids import new_run_id
from tracklog_contract.limits import QUOTAS, Quotas
from tracklog_contract.points import PointBlock, block_of
from tracklog_ingest.append import AppendConfig, Appender, Views
from tracklog_ingest.experiments import CreateExperiment
from tracklog_ingest.migrate import migrate, seed
from tracklog_ingest.runs import CreateRun
from tracklog_projector.projector import connect, fold_next
from tracklog_projector.schema import ensure_views


class NoViews:
    """Views that are always up to date: appends are never held back."""

    position = 2**62

    async def reach(self, position: int, *, timeout_s: float) -> bool:
        """They are there."""
        return True


async def prepare(dsn: str) -> None:
    """What the server's first process does to a new database."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
        await seed(connection)
        await ensure_views(connection)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def appending(
    dsn: str,
    *,
    quotas: Quotas = QUOTAS["default"],
    views: Views | None = None,
    config: AppendConfig | None = None,
) -> AsyncIterator[Appender]:
    """An appender at work, with a pool of its own as each server process has."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=3, server_settings={"jit": "off"}) as pool:
        appender = Appender(pool, quotas, views or NoViews(), config)
        running = asyncio.create_task(appender.run())
        try:
            yield appender
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def new_run(appender: Appender, name: str) -> uuid.UUID:
    """A new run in a new experiment of this name."""
    experiment_id = await appender.submit(CreateExperiment(name, None, {}, now_ms=0))
    run, _ = await appender.submit(CreateRun(experiment_id, new_run_id(0, 1), "", "", 0, {}))
    run_id: uuid.UUID = run.run_id
    return run_id


def points_of(key: str, steps: list[int]) -> PointBlock:
    """One point a step, its value the step."""
    return block_of([(key, (steps, [0] * len(steps), [float(step) for step in steps]))])


async def fold_all(dsn: str) -> Any:
    """Fold the whole log into the live views; the answer is the position reached."""
    connection = await connect(dsn)
    try:
        position, fold = await connection.fetchval("select position from checkpoint"), ...
        while fold is not None:
            position, fold = await fold_next(connection, position)
        return position
    finally:
        connection.terminate()
