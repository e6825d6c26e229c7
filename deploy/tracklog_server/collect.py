"""Garbage collection, step by step: each can be stopped at any moment, and the next run goes on from there.

What goes is purged in the log first, then waited for in the views, and its bytes are taken away last: so
nothing is ever listed that is gone. All of it works beside running servers, by the same queue and locks.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tqdm import tqdm

from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.ledger import Intent
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.settle import Settler, at_once
from tracklog_artifacts.store import ArtifactStore
from tracklog_contract.artifact_places import root_of
from tracklog_contract.errors import Rejected
from tracklog_contract.ids import DEFAULT_EXPERIMENT_ID
from tracklog_contract.sqlfiles import statements
from tracklog_ingest.artifacts import RemoveArtifacts
from tracklog_ingest.purge import PurgeExperiment, PurgeModels, PurgeRuns
from tracklog_ingest.purge_work import doomed_paths, free_points, paths_are_gone, recount_storage
from tracklog_ingest.service import Ingest
from tracklog_ingest.traces import DELETED_AT_ONCE, DeleteTraces
from tracklog_projector.artifacts import ArtifactQueries
from tracklog_projector.purgeable import Purgeable, PurgeableExperiment, PurgeableRun, caught_up
from tracklog_projector.service import Queries
from tracklog_projector.traces import TraceQueries
from tracklog_server.ledger import LogLedger
from tracklog_server.orphans import STORE_REQUESTS_MAX, OrphanPlan, Orphans

SQL: Final = statements("tracklog_server")
# What goes in one transaction: so many things, or as much as about so many rows. Others wait for it.
RUNS_AT_ONCE: Final = 200
ROWS_AT_ONCE: Final = 20_000
POINTS_A_ROW: Final = 200
MODELS_AT_ONCE: Final = 20
INTENTS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Plan:
    """What is garbage: deleted up to `until_ms`; uploads that nobody went on with since `uploads_until_s`.

    Both are since 1970. Everything is only told without `delete`.
    """

    delete: bool
    until_ms: int
    uploads_until_s: float
    orphans: OrphanPlan
    principal: str


class Collector:
    """One garbage collection. `connection` is a connection of its own, to the whole database."""

    def __init__(
        self,
        connection: Any,
        ingest: Ingest,
        queries: Queries,
        ledger: LogLedger,
        store: ArtifactStore,
        plan: Plan,
    ) -> None:
        self._connection = connection
        self._ingest = ingest
        self._queries = queries
        self._traces = TraceQueries(queries)
        self._ledger = ledger
        self._store = store
        self._plan = plan
        self._config = ArtifactConfig()
        self._purgeable = Purgeable(queries, plan.until_ms)

    async def collect(self) -> AsyncIterator[str]:
        """Do it, and tell what goes, or would go, line by line. A plan to adopt is about nothing else."""
        await caught_up(self._queries)
        if self._plan.orphans.adopt:
            async for line in self._compare():
                yield line
            return
        due = await self._purgeable.totals()
        verb = "purging" if self._plan.delete else "would purge"
        yield (
            f"{verb} {due['runs']:,} runs with {due['points']:,} points and {due['files']:,} files of "
            f"{due['bytes']:,} bytes, {due['models']:,} logged models, {due['traces']:,} traces and "
            f"{due['experiments']:,} experiments"
        )
        if self._plan.delete:
            await self._purge_runs(due["runs"])
            await self._purge_models(due["models"])
            await self._delete_bytes()
            await self._purge_experiments(due["traces"] + due["experiments"])
            await self._delete_bytes()
            points, size_bytes = await self._free_points()
            yield f"freed {points:,} points of {size_bytes:,} bytes in the log"
        yield await self._end_uploads()
        yield await self._settle_intents()
        async for line in self._compare():
            yield line

    def _compare(self) -> AsyncIterator[str]:
        orphans = Orphans(self._store, self._ledger, ArtifactQueries(self._queries), self._plan.orphans)
        return orphans.compare()

    async def _purge_runs(self, total: int) -> None:
        batch: list[PurgeableRun] = []
        with _progress("runs", total) as bar:
            async for run in self._purgeable.runs():
                batch.append(run)
                if len(batch) == RUNS_AT_ONCE or sum(map(_rows_of, batch)) >= ROWS_AT_ONCE:
                    await self._purge_batch(batch)
                    bar.update(len(batch))
                    batch = []
            await self._purge_batch(batch)
            bar.update(len(batch))

    async def _purge_batch(self, batch: list[PurgeableRun]) -> None:
        if batch:
            runs = [(run.run_id, run.position) for run in batch]
            await self._ingest.submit(PurgeRuns(self._plan.principal, runs))
            # The next batch waits for the fold of this one, and so all others have their turn in between.
            await caught_up(self._queries)

    async def _purge_models(self, total: int) -> None:
        batch: list[tuple[str, int, str]] = []
        with _progress("models", total) as bar:
            async for model in self._purgeable.models():
                batch.append((model.model_id, model.position, model.path))
                if len(batch) == MODELS_AT_ONCE:
                    await self._ingest.submit(PurgeModels(self._plan.principal, batch))
                    bar.update(len(batch))
                    batch = []
            if batch:
                await self._ingest.submit(PurgeModels(self._plan.principal, batch))
                bar.update(len(batch))
        await caught_up(self._queries)

    async def _purge_experiments(self, total: int) -> None:
        with _progress("traces and experiments", total) as bar:
            async for experiment in self._purgeable.experiments():
                async for trace_ids in self._delete_traces(experiment):
                    bar.update(len(trace_ids))
                empty = await self._purgeable.experiment(experiment.experiment_id)
                if empty is not None:
                    purge = PurgeExperiment(
                        self._plan.principal, empty.experiment_id, empty.position, empty.path
                    )
                    bar.update(int(await self._ingest.submit(purge)))
        await caught_up(self._queries)

    async def _delete_traces(self, experiment: PurgeableExperiment) -> AsyncIterator[list[str]]:
        experiment_id = experiment.experiment_id
        # Otherwise their files go with the experiment's.
        alone = not experiment.path or experiment_id == DEFAULT_EXPERIMENT_ID
        while ids := await self._traces.oldest_traces(experiment_id, None, None, DELETED_AT_ONCE):
            root = root_of(experiment.location) if alone else None
            if root:
                await self._delete_files_of_traces(f"{root}/traces", ids)
            await self._ingest.submit(DeleteTraces(experiment_id, ids, principal=self._plan.principal))
            yield ids

    async def _delete_files_of_traces(self, folder: str, trace_ids: list[str]) -> None:
        known = {item.path[-1] for item in await self._ledger.entries(tuple(folder.split("/")))}
        for trace_id in trace_ids:
            path = f"{folder}/{trace_id}"
            if trace_id in known:
                await self._ingest.submit(RemoveArtifacts(time.time(), path))
            # Also when a collection was stopped right between the two.
            await self._delete(path)

    async def _delete_bytes(self) -> None:
        """Take away the bytes of what is purged, which no view lists any more."""
        await caught_up(self._queries)
        with _progress("folders of files") as bar:
            async for page in doomed_paths(self._connection):
                await at_once(self._delete, page.values(), limit=STORE_REQUESTS_MAX)
                await paths_are_gone(self._connection, page)
                bar.update(len(page))
        await recount_storage(self._connection)

    async def _delete(self, path: str) -> None:
        # Where there can be no file, there is none.
        with contextlib.suppress(Rejected):
            await self._store.delete(tuple(path.split("/")))

    async def _free_points(self) -> tuple[int, int]:
        points = size_bytes = 0
        with _progress("log entries") as bar:
            async for swept in free_points(self._connection):
                bar.total = swept.until
                bar.update(swept.position - bar.n)
                points += swept.points
                size_bytes += swept.bytes
        if points:
            await self._connection.execute(SQL["vacuum_log"])
        return points, size_bytes

    async def _end_uploads(self) -> str:
        stale: list[tuple[ArtifactPath, str]] = []
        count = 0
        async for path, upload_id, began_s in self._store.uploads():
            if began_s <= self._plan.uploads_until_s and not await self._goes_on(path, upload_id):
                count += 1
                stale.append((path, upload_id))
            if len(stale) == INTENTS_AT_ONCE:
                await self._abort(stale)
                stale = []
        await self._abort(stale)
        return f"{'gave up' if self._plan.delete else 'would give up'} {count:,} unfinished multipart uploads"

    async def _goes_on(self, path: ArtifactPath, upload_id: str) -> bool:
        """Whether a client began an upload anew, or asked for what is missing, after it was begun."""
        asked_s = (
            intent.expires_at_s - self._config.multipart_expires_s
            for intent in await self._ledger.intents(path)
            if intent.upload_id == upload_id
        )
        return max(asked_s, default=0.0) > self._plan.uploads_until_s

    async def _abort(self, stale: list[tuple[ArtifactPath, str]]) -> None:
        if not self._plan.delete or not stale:
            return
        for path, upload_id in stale:
            await self._store.abort_multipart(path, upload_id)
        await self._ledger.forgotten([Intent(path, None, 0.0, upload_id) for path, upload_id in stale])

    async def _settle_intents(self) -> str:
        """Record the signed uploads that came without a word, and forget those that will come no more."""
        expired = await self._expired()
        if self._plan.delete:
            settler = Settler(self._store, self._ledger, self._config)
            after = await settler.sweep(None)
            while after is not None:
                after = await settler.sweep(after)
        return f"{'settled' if self._plan.delete else 'would settle'} {expired:,} expired uploads"

    async def _expired(self) -> int:
        """How many uploads that the log remembers are over."""
        now_s, expired, after = time.time(), 0, None
        while page := await self._ledger.intents_below((), after=after, limit=INTENTS_AT_ONCE):
            expired += sum(item.expires_at_s <= now_s for item in page)
            after = page[-1].path
        return expired


def _rows_of(run: PurgeableRun) -> int:
    """About how many rows a run has, as far as deleting them takes time."""
    return run.keys + run.files + run.points // POINTS_A_ROW


@contextlib.contextmanager
def _progress(what: str, total: int | None = None) -> Iterator["tqdm[Any]"]:
    """A bar that shows itself when it takes a second."""
    with tqdm(total=total, desc=what, unit=" " + what, delay=1, leave=False) as bar:
        yield bar
