"""Finds the uploads that were signed and came without a word, and gives up on those that never did."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

import structlog

from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.ledger import Intent, Ledger, Listed, StoredFile
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import ArtifactStore, Stat
from tracklog_contract.caller import ANYONE, CALLER
from tracklog_contract.errors import Rejected, TracklogError

log = structlog.get_logger()

T = TypeVar("T")
R = TypeVar("R")


async def at_once(work: Callable[[T], Awaitable[R]], items: Iterable[T], *, limit: int) -> list[R]:
    """`await work(item)` for each, in order, with `limit` of them under way at a time.

    Raises: the first failure, once what was under way has ended.
    """
    slots = asyncio.Semaphore(limit)

    async def one(item: T) -> R:
        async with slots:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(item)) for item in items]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [task.result() for task in running]


class Settler:
    """Settles intents. It acts for the server: whoever reads a place need not be allowed to write there."""

    def __init__(
        self,
        store: ArtifactStore,
        ledger: Ledger,
        config: ArtifactConfig,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._config = config
        self._clock = clock

    async def settle(self, below: ArtifactPath) -> None:
        """Record what has come of the uploads intended at and below a path.

        Raises: Rejected, for a caller who may not read there: for them nothing is looked for.
        """
        # As the caller: that asks whether they may.
        if not await self._ledger.intents_below(below, after=None, limit=1):
            return
        token = CALLER.set(ANYONE)
        try:
            after = await self._settle_page(below, None)
            while after is not None:
                after = await self._settle_page(below, after)
        finally:
            CALLER.reset(token)

    async def run(self) -> None:
        """Settle everywhere, again and again. Never ends."""
        seen: ArtifactPath | None = None
        while True:
            await asyncio.sleep(self._config.settle_interval_s)
            try:
                seen = await self.sweep(seen)
            except TracklogError as error:
                # The next round is soon enough, and readers settle what they read.
                log.warning("settling_failed", error=error.message)

    async def sweep(self, after: ArtifactPath | None) -> ArtifactPath | None:
        """Settle some of all intents: those of the next paths, about settle_uploads_max; where it stopped.

        None is the beginning, and is given when the end is reached.
        """
        return await self._settle_page((), after)

    async def _settle_page(self, below: ArtifactPath, after: ArtifactPath | None) -> ArtifactPath | None:
        limit = self._config.settle_uploads_max
        intents = await self._ledger.intents_below(below, after=after, limit=limit)
        if intents:
            await self._look_for(intents)
        return intents[-1].path if len(intents) >= limit else None

    async def _look_for(self, intents: Sequence[Intent]) -> None:
        by_path = {
            path: list(group)
            for path, group in groupby(sorted(intents, key=lambda i: i.path), key=lambda i: i.path)
        }
        known = await self._ledger.files(list(by_path))
        stats = await at_once(self._stat, by_path, limit=self._config.store_requests_max)
        arrived = [
            _stored(path, stat, known.get(path), by_path[path])
            for path, stat in zip(by_path, stats, strict=True)
            if stat is not None and has_arrived(known.get(path), stat)
        ]
        if arrived:
            await self._record(arrived)
        now = self._clock()
        # What has been recorded has no intents any more; what was overtaken meanwhile needs another look.
        looked_for = {file.path for file in arrived}
        over = [i for i in intents if i.expires_at_s <= now and i.path not in looked_for]
        if over:
            await self._give_up(over)

    async def _stat(self, path: ArtifactPath) -> Stat | None:
        # Where there can be no file, none has come.
        with suppress(Rejected):
            return await self._store.stat(path)
        return None

    async def _record(self, files: Sequence[StoredFile]) -> None:
        try:
            await self._ledger.stored(files)
        except Rejected:
            # One that exceeds a quota, or whose run is gone, must not hide the others.
            for file in files:
                try:
                    await self._ledger.stored([file])
                except Rejected as error:
                    log.warning("upload_not_recorded", path="/".join(file.path), error=error.message)

    async def _give_up(self, intents: Sequence[Intent]) -> None:
        async def abort(intent: Intent) -> None:
            with suppress(Rejected):
                await self._store.abort_multipart(intent.path, intent.upload_id)

        in_parts = [intent for intent in intents if intent.upload_id]
        await at_once(abort, in_parts, limit=self._config.store_requests_max)
        await self._ledger.forgotten(intents)


def has_arrived(known: Listed | None, stat: Stat) -> bool:
    """Whether what is in the store is another file than the one that the log knows."""
    if known is None:
        return True
    if known.etag:
        return known.etag != stat.etag
    return known.size_bytes != stat.size_bytes


def stored_of(path: ArtifactPath, stat: Stat, known: Listed | None) -> StoredFile:
    """What the store has at a path, where this was known of it before it was sent or looked at."""
    return StoredFile(path, stat.size_bytes, stat.sha256, stat.etag, "" if known is None else known.etag)


def _stored(path: ArtifactPath, stat: Stat, known: Listed | None, intents: Sequence[Intent]) -> StoredFile:
    stored = stored_of(path, stat, known)
    if stat.sha256:
        return stored
    # The one upload that can have made it said what it would be; of several, nobody knows which it was.
    promised = {(intent.size_bytes, intent.sha256) for intent in intents}
    sha256 = intents[0].sha256 if promised == {(stat.size_bytes, intents[0].sha256)} else ""
    return replace(stored, sha256=sha256)
