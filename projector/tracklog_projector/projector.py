"""The projector's process: folds the log into the live views as it grows, and keeps them tidy meanwhile."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import asyncpg
import structlog

from tracklog_contract.events import StoredEntry
from tracklog_contract.sqlfiles import statements
from tracklog_projector import compact, documents, fresh
from tracklog_projector.checkpoints import HURRY, LOG_CHANNEL
from tracklog_projector.fold import Fold
from tracklog_projector.schema import LIVE, PROJECTOR_LOCK, VIEWS_LOCK
from tracklog_projector.tail import points_of, read_after

SQL = statements("tracklog_projector")
log = structlog.get_logger()

IDLE_POLL_S: Final = 1.0
QUIET_S: Final = 1.0
# While folds take long, what a run has logged since waits for its turn: it is not quiet yet.
QUIET_TURNS: Final = 4
COMPACT_QUIET_S: Final = 5.0
COMPACT_RUNS_AT_ONCE: Final = 50
# Autovacuum alone comes too late for tables that are rewritten as they are filled.
VACUUM_BYTES_MIN: Final = 2 * 2**20
VACUUM_ROWS_MIN: Final = 5_000
VACUUM_PART: Final = 0.1
# One fold of many entries costs far less than many of few, so more may gather. A reader who waits ends it.
PAUSE_S: Final = 0.1
ENTRIES_MAX: Final = 1000
BYTES_MAX: Final = 2 * 2**20
POINTS_PER_FOLD_MAX: Final = 500_000
# How long packed latest points may gather, unless a search waits for them.
GATHER_METRICS_S: Final = 5.0
# While there is more to fold, folds have so many times the time of each step of that.
FOLDS_PER_DRAIN: Final = 2
VACUUM_PACKED_ROWS: Final = 20_000


async def connect(dsn: str, schema: str = LIVE) -> Any:
    """A connection whose unqualified names are the views of `schema`.

    Its commits do not wait for the disk: a fold that a crash takes back is folded again, from the log.
    """
    settings = {
        "search_path": schema,
        "jit": "off",
        "synchronous_commit": "off",
        # A plan kept from when a table was small reads all of it, until the next analyze, once it has grown.
        "plan_cache_mode": "force_custom_plan",
    }
    return await asyncpg.connect(dsn, timeout=10, server_settings=settings)


@contextlib.asynccontextmanager
async def views_turn(connection: Any) -> AsyncIterator[None]:
    """A transaction that alone changes the views; names resolve after the lock, so after any switch."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", VIEWS_LOCK)
        yield


Turn = Callable[[Any], contextlib.AbstractAsyncContextManager[None]]


async def fold_next(
    connection: Any, position: int, turn: Turn | None = views_turn
) -> tuple[int, Fold | None]:
    """Fold what follows `position`, exactly once.

    Args: turn: how the transaction begins; None for views that nobody else writes, as in a rebuild.
    Returns: the new position and what was folded; None when there is nothing to fold, or when the checkpoint
    was not at `position` after all (a rebuild switched over): then the position returned is the checkpoint's.
    """
    read = await read_after(
        connection, position, entries_max=ENTRIES_MAX, bytes_max=BYTES_MAX, points_max=POINTS_PER_FOLD_MAX
    )
    entries = within_points(read)
    if not entries:
        return position, None
    async with turn(connection) if turn else connection.transaction():
        found, metrics_position = await connection.fetchrow(SQL["own_checkpoint"])
        if found != position:
            return found, None
        fold = Fold(
            connection,
            position,
            metrics_behind=metrics_position < position,
            full=_is_full(read, entries),
        )
        await fold.fold(entries)
        last = entries[-1]
        await connection.fetch(
            SQL["advance_checkpoint"], position, last.position, last.recorded_at, fold.packed_rows > 0
        )
    return last.position, fold


def _is_full(read: list[StoredEntry], folded: list[StoredEntry]) -> bool:
    """Do more entries wait already, as far as what was read can tell."""
    read_bytes = sum(entry.payload_bytes for entry in read)
    return len(folded) < len(read) or len(read) >= ENTRIES_MAX // 2 or read_bytes >= BYTES_MAX // 2


def within_points(entries: list[StoredEntry]) -> list[StoredEntry]:
    """The first entries that together hold at most POINTS_PER_FOLD_MAX points, one at least."""
    points = 0
    for number, entry in enumerate(entries):
        points += points_of(entry)
        if points > POINTS_PER_FOLD_MAX and number > 0:
            return entries[:number]
    return entries


class Projector:
    """Folds one log; `runs` are those touched lately, with the time of their last fold."""

    def __init__(self, connection: Any, chores: Any) -> None:
        self._connection = connection
        self._chores = chores
        self._woken = asyncio.Event()
        self._hurried = asyncio.Event()
        self._undocumented: dict[uuid.UUID, float] = {}
        self._uncompacted: dict[uuid.UUID, float] = {}
        self._sweep: uuid.UUID | None = documents.BEFORE_ALL_RUNS
        self._dead_bytes = 0
        self._metric_rows = 0
        self._metrics_position = 0
        self._metrics_wanted = 0
        self._metrics_due = 0
        self._drain_not_before = 0.0
        self._packed_at: float | None = None
        self._packed_rows = 0
        self._turn_s = 0.0

    async def fold_forever(self) -> None:
        """Fold whenever there is something to fold."""
        await self._connection.add_listener(LOG_CHANNEL, self._heard)
        position = await self._read_checkpoint()
        while True:
            self._woken.clear()
            self._hurried.clear()
            started = time.monotonic()
            new_position, fold = await fold_next(self._connection, position)
            elapsed_s = time.monotonic() - started
            if fold is not None:
                log.debug("entries_folded", position=new_position, elapsed_ms=round(elapsed_s * 1000, 2))
                self._note(fold)
                if not fold.packed_rows and self._metrics_position == position:
                    self._metrics_position = new_position
            elif new_position != position:
                new_position = await self._read_checkpoint()
            draining = await self._drain_metrics(new_position, busy=fold is not None)
            self._turn_s = time.monotonic() - started
            if fold is not None and not fold.full and not draining:
                await _wait(self._hurried, PAUSE_S)
            elif fold is None and new_position == position and not draining:
                await _wait(self._woken, IDLE_POLL_S)
            position = new_position

    async def _drain_metrics(self, position: int, *, busy: bool) -> bool:
        """Write packed latest points as rows, one step, when it is time; True: the next step should follow.

        A search that waits names the position it needs; otherwise they gather for GATHER_METRICS_S, and while
        there is more to fold (`busy`), folds have their time before the next step.
        """
        if self._metrics_position >= position:
            self._packed_at = None
            return False
        now = time.monotonic()
        if self._packed_at is None:
            self._packed_at = now
        elif now - self._packed_at >= GATHER_METRICS_S:
            self._packed_at = now
            self._metrics_due = position
        is_wanted = self._metrics_position < self._metrics_wanted
        is_due = self._metrics_position < self._metrics_due and not (busy and now < self._drain_not_before)
        if not is_wanted and not is_due:
            return False
        async with views_turn(self._connection):
            step = await fresh.drain_step(self._connection)
        ended = time.monotonic()
        self._drain_not_before = ended + FOLDS_PER_DRAIN * (ended - now)
        self._metric_rows += step.metric_rows
        self._packed_rows += step.packed_rows
        self._metrics_position = step.metrics_position
        wanted = self._metrics_wanted if busy else max(self._metrics_wanted, self._metrics_due)
        return step.packed_rows > 0 and self._metrics_position < wanted

    async def _read_checkpoint(self) -> int:
        position, self._metrics_position = await self._connection.fetchrow(SQL["own_checkpoint"])
        return int(position)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        """Entries were appended, or (HURRY) a reader waits for them."""
        self._woken.set()
        hurry, _, wanted = str(payload).partition(":")
        if hurry == HURRY:
            self._hurried.set()
            self._metrics_wanted = max(self._metrics_wanted, int(wanted or 0))

    def _note(self, fold: Fold) -> None:
        now = time.monotonic()
        for run_id in fold.touched:
            # Latest last: both dictionaries are read from their oldest entry on.
            self._undocumented.pop(run_id, None)
            self._uncompacted.pop(run_id, None)
            self._undocumented[run_id] = self._uncompacted[run_id] = now
        if fold.sweep:
            self._sweep = documents.BEFORE_ALL_RUNS
        self._metric_rows += fold.metric_rows

    async def tidy_forever(self) -> None:
        """Compact chunks and render documents, a little at a time."""
        rows = await self._chores.fetch(SQL["runs_to_compact"])
        for row in rows:
            self._uncompacted.setdefault(row["run_id"], 0.0)
        while True:
            worked = await self._sweep_documents()
            worked |= await self._document_quiet_runs()
            worked |= await self._compact_runs()
            await self._vacuum()
            await asyncio.sleep(0.05 if worked else 0.5)

    async def _document_quiet_runs(self) -> bool:
        quiet = _take_quiet(self._undocumented, QUIET_S + QUIET_TURNS * self._turn_s, documents.RUNS_AT_ONCE)
        if quiet:
            async with views_turn(self._chores):
                await documents.write(self._chores, quiet)
        return bool(quiet)

    async def _sweep_documents(self) -> bool:
        """Go on looking through all runs for those that lack their document; False when that is done."""
        # A fold may ask for another sweep meanwhile.
        after, self._sweep = self._sweep, None
        if after is None:
            return False
        async with views_turn(self._chores):
            last = await documents.write_next(self._chores, after)
        if self._sweep is None:
            self._sweep = last
        return True

    async def _compact_runs(self) -> bool:
        """Merge full levels of runs being written, and the newest batches of those that fell quiet."""
        quiet = _take_quiet(self._uncompacted, COMPACT_QUIET_S, COMPACT_RUNS_AT_ONCE)
        active = list(self._uncompacted)
        rows = (
            await self._chores.fetch(SQL["full_levels"], active, compact.BATCHES_PER_LEVEL) if active else []
        )
        for run_id in [*quiet, *(row["run_id"] for row in rows)]:
            started = time.monotonic()
            async with views_turn(self._chores):
                dead_bytes = await compact.compact(self._chores, run_id, quiet=run_id in quiet)
            self._dead_bytes += dead_bytes
            elapsed_ms = round((time.monotonic() - started) * 1000, 2)
            log.debug("chunks_merged", run_id=run_id.hex, bytes=dead_bytes, elapsed_ms=elapsed_ms)
        return len(quiet) == COMPACT_RUNS_AT_ONCE

    async def _vacuum(self) -> None:
        """Let new rows take the room of those that were replaced, once that is a good part of their table."""
        if self._packed_rows > VACUUM_PACKED_ROWS:
            await self._chores.execute(SQL["vacuum_fresh_metrics"])
            self._packed_rows = 0
        if self._dead_bytes < VACUUM_BYTES_MIN and self._metric_rows < VACUUM_ROWS_MIN:
            return
        sizes = await self._chores.fetchrow(SQL["table_sizes"])
        if self._dead_bytes > max(VACUUM_BYTES_MIN, sizes["chunk_bytes"] * VACUUM_PART):
            await self._chores.execute(SQL["vacuum_chunks"])
            self._dead_bytes = 0
        if self._metric_rows > max(VACUUM_ROWS_MIN, sizes["metric_rows"] * VACUUM_PART):
            await self._chores.execute(SQL["vacuum_metrics"])
            self._metric_rows = 0


async def _wait(event: asyncio.Event, longest_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), longest_s)


def _take_quiet(touched: dict[uuid.UUID, float], quiet_s: float, most: int) -> list[uuid.UUID]:
    """Take out of `touched` (oldest first) up to `most` runs that were not touched for `quiet_s` seconds."""
    now = time.monotonic()
    quiet: list[uuid.UUID] = []
    for run_id, when in touched.items():
        if now - when < quiet_s or len(quiet) == most:
            break
        quiet.append(run_id)
    for run_id in quiet:
        del touched[run_id]
    return quiet


async def run_projector(dsn: str, stop: asyncio.Event) -> None:
    """Be the one projector of this log until `stop` is set; waits its turn while another one lives.

    Raises: what ends it: a lost database connection, or Corrupt. The process is then started anew.
    """
    connection = await connect(dsn)
    chores = await connect(dsn)
    try:
        await connection.execute("select pg_advisory_lock($1)", PROJECTOR_LOCK)
        log.info("projector_started")
        projector = Projector(connection, chores)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(projector.fold_forever(), name="fold"),
                tasks.create_task(projector.tidy_forever(), name="tidy"),
            ]
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        connection.terminate()
        chores.terminate()
