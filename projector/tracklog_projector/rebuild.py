"""Rebuilds the views from the log beside the live ones, and switches over once it has caught up."""

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from tracklog_contract.sqlfiles import statements
from tracklog_projector import compact, documents, fresh
from tracklog_projector.projector import connect, fold_next, views_turn
from tracklog_projector.schema import LIVE, NEXT, OLD, create_views

SQL = statements("tracklog_projector")
# The rest is folded while the live projector waits, so that it must not be much.
CAUGHT_UP_ENTRIES: Final = 500
REPORT_EVERY_S: Final = 2.0


async def rebuild(dsn: str, report: Callable[[str], None]) -> None:
    """Fold the whole log into new views and put them in the place of the live ones, which serve meanwhile.

    Progress goes to `report`, one line at a time. Interrupted, it leaves the live views as they were.
    Raises: what ended it: a lost connection, or Corrupt.
    """
    admin = await connect(dsn, LIVE)
    builder = await connect(dsn, NEXT)
    try:
        await admin.execute(f"drop schema if exists {NEXT} cascade")
        await admin.execute(f"drop schema if exists {OLD} cascade")
        await create_views(admin, NEXT, searchable=False)
        # A crash ends the rebuild anyway; logged, each run would bring a dozen whole pages into the WAL.
        await builder.execute(SQL["set_unlogged"])
        position = await _catch_up(builder, 0, report)
        report("folded the log; making tables durable, indexes and documents.")
        await builder.execute(SQL["set_logged"])
        await builder.execute(SQL["search_indexes"])
        await _tidy(builder)
        # The log went on meanwhile.
        position = await _catch_up(builder, position, report)
        await _switch(admin, builder, position)
        await admin.execute(f"drop schema if exists {OLD} cascade")
        report(f"rebuilt the views up to entry {await admin.fetchval(SQL['own_checkpoint'])}.")
    finally:
        admin.terminate()
        builder.terminate()


async def _catch_up(builder: Any, position: int, report: Callable[[str], None]) -> int:
    """Fold from `position` until little is left; the answer is the position reached."""
    reported = time.monotonic()
    while True:
        head: int = await builder.fetchval(SQL["head"])
        if head - position <= CAUGHT_UP_ENTRIES:
            return position
        position, fold = await fold_next(builder, position, turn=None)
        if fold is not None:
            rows = await builder.fetch(SQL["full_levels"], list(fold.touched), compact.BATCHES_PER_LEVEL)
            await _merge(builder, rows, quiet=False)
        if time.monotonic() - reported >= REPORT_EVERY_S:
            await fresh.drain(builder)
            reported = time.monotonic()
            report(f"folded {position} of {head} entries ({100 * position // head} %).")


async def _tidy(builder: Any) -> None:
    """Leave the new views as the projector would have left them by now: merged, documented and vacuumed."""
    await fresh.drain(builder)
    await _merge(builder, await builder.fetch(SQL["runs_to_compact"]), quiet=True)
    after: uuid.UUID | None = documents.BEFORE_ALL_RUNS
    while after is not None:
        after = await documents.write_next(builder, after)
    await builder.execute(SQL["vacuum_views"])


async def _merge(builder: Any, rows: Iterable[Any], *, quiet: bool) -> None:
    for row in rows:
        async with builder.transaction():
            await compact.compact(builder, row["run_id"], quiet=quiet)


async def _switch(admin: Any, builder: Any, position: int) -> None:
    """Fold the rest and swap the schemas, while nothing else may change the views."""
    async with views_turn(admin):
        fold: Any = ...
        while fold is not None:
            position, fold = await fold_next(builder, position, turn=None)
            if fold is not None:
                await documents.write(builder, list(fold.touched))
        # Whoever knows how far the live views are must never find the new ones behind that.
        await fresh.drain(builder)
        if await admin.fetchval("select to_regnamespace($1) is not null", LIVE):
            await admin.execute(f"alter schema {LIVE} rename to {OLD}")
        await admin.execute(f"alter schema {NEXT} rename to {LIVE}")
        await admin.execute(SQL["tell_checkpoint"], LIVE)
