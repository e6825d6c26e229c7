"""The read side as one object: waits until the views hold what was written, then answers from them."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg

from tracklog_contract.caller import caller
from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_contract.ids import parse_run_id
from tracklog_contract.sqlfiles import statements
from tracklog_projector import documents
from tracklog_projector.checkpoints import Checkpoints
from tracklog_projector.schema import PROJECTOR_LOCK
from tracklog_projector.search import compile_experiments, compile_models, compile_runs
from tracklog_projector.series import Points, Series, history, sample

SQL = statements("tracklog_projector")
# How long a projector may hold its lock without folding anything that is there, before it counts as dead.
STALL_MAX_S: Final = 15
BATCH_RUNS: Final = 500
# Which experiments runs are in never changes, so it is asked once.
RUN_EXPERIMENTS_MAX: Final = 100_000
# MLflow's own bound; there is no next page.
DATASETS_MAX: Final = 1000


class Queries:
    """Reads of one database. Every read sees each write that was acknowledged before it began.

    Each answers only what the request's caller may see: searches leave out the rest, and what is asked for by
    its id is refused (contract's caller.py says how).
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", dsn: str) -> None:
        self._pool = pool
        self.checkpoints = Checkpoints(dsn)
        self._run_experiments: dict[uuid.UUID, int] = {}

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """The rows that a statement of this package gives, without waiting for the views."""
        return list(await self._pool.fetch(SQL[statement], *arguments))

    async def run(self) -> None:
        """Follow the projector; reads that must wait for it need this running."""
        await self.checkpoints.run()

    async def projector_alive(self) -> bool:
        """Is there a process that folds, and does it keep up."""
        alive: bool = await self._pool.fetchval(
            SQL["projector_alive"], PROJECTOR_LOCK >> 32, PROJECTOR_LOCK & 0xFFFFFFFF, STALL_MAX_S
        )
        return alive

    async def usage(self, subjects: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, int]]:
        """What was written by or to these (scope and name), as far as it is folded."""
        columns = [list(column) for column in zip(*subjects, strict=True)] or [[], []]
        return {
            (scope, subject): counts
            for row in await self.fetch("get_usage", *columns)
            for scope, subject, counts in [(row["scope"], row["subject"], dict(list(row.items())[2:]))]
        }

    async def run_document(self, run_id: str) -> dict[str, Any]:
        """MLflow's Run.

        Raises: Rejected, when there is none.
        """
        async with self._caught_up_with_runs([run_id]) as connection:
            views = await documents.load_runs(connection, [self._parsed(run_id)])
        if not views:
            raise _no_run(run_id)
        (view,) = views.values()
        await caller().check(view.row["experiment_id"], _no_run(run_id))
        return view.answer(model_inputs=True)

    async def artifact_uri(self, run_id: str) -> str:
        """Where a run's artifacts lie.

        Raises: Rejected, when there is no such run.
        """
        row = await self._pool.fetchrow(SQL["artifact_uri"], self._parsed(run_id))
        if row is None:
            raise _no_run(run_id)
        await caller().check(row["experiment_id"], _no_run(run_id))
        return str(row["artifact_uri"])

    def _parsed(self, run_id: str) -> uuid.UUID:
        parsed = parse_run_id(run_id)
        if parsed is None:
            raise _no_run(run_id)
        return parsed

    async def search_runs(
        self,
        experiment_ids: Sequence[int] | None,
        *,
        filter: str,  # noqa: A002 (MLflow's word)
        order_by: Sequence[str],
        deleted: bool | None,
        limit: int,
        page_token: str,
    ) -> tuple[list[str], str]:
        """A page of run documents (JSON texts) and the token of the next page, "" when there is none.

        `experiment_ids`: None for all experiments.

        Raises: Rejected, when the filter, order or token is wrong.
        """
        readable = await self._readable(experiment_ids)
        query = compile_runs(
            experiment_ids=readable if experiment_ids is not None else None,
            readable=readable,
            filter=filter,
            order_by=order_by,
            deleted=deleted,
            limit=limit,
            page_token=page_token,
        )
        if readable is not None and not readable:
            return [], ""
        caught_up = self.caught_up("experiments_position", readable, metrics=query.of_metrics)
        async with caught_up as connection:
            rows, token = query.page(await connection.fetch(query.sql, *query.args))
            run_ids = [row["run_id"] for row in rows]
            found: list[str] = []
            for begin in range(0, len(run_ids), BATCH_RUNS):
                found += await documents.documents_of(connection, run_ids[begin : begin + BATCH_RUNS])
        return found, token

    async def search_experiments(
        self,
        *,
        filter: str,  # noqa: A002 (MLflow's word)
        order_by: Sequence[str],
        deleted: bool | None,
        limit: int,
        page_token: str,
    ) -> tuple[list[dict[str, Any]], str]:
        """A page of MLflow's Experiments and the token of the next page, "" when there is none.

        Raises: Rejected, when the filter, order or token is wrong.
        """
        who = caller()
        readable = await who.readable()
        query = compile_experiments(
            workspace=who.workspace,
            readable=None if readable is None else sorted(readable),
            filter=filter,
            order_by=order_by,
            deleted=deleted,
            limit=limit,
            page_token=page_token,
        )
        async with self.caught_up("workspace_position", who.workspace) as connection:
            rows, token = query.page(await connection.fetch(query.sql, *query.args))
            ids = [row["experiment_id"] for row in rows]
            return await _experiments(connection, ids), token

    async def experiment(self, experiment_id: int) -> dict[str, Any]:
        """MLflow's Experiment.

        Raises: Rejected, when there is none.
        """
        await caller().check(experiment_id)
        async with self._caught_up_with_experiments([experiment_id]) as connection:
            found = await _experiments(connection, [experiment_id])
        if not found:
            raise Rejected(NOT_FOUND, f"No Experiment with id={experiment_id} exists")
        return found[0]

    async def experiment_by_name(self, name: str) -> dict[str, Any]:
        """MLflow's Experiment of this name, deleted or not.

        Raises: Rejected, when there is none.
        """
        experiment_id = await self._pool.fetchval(SQL["experiment_by_name"], caller().workspace, name)
        if experiment_id is None:
            raise Rejected(NOT_FOUND, f"Could not find experiment with name '{name}'")
        return await self.experiment(experiment_id)

    async def dataset_summaries(self, experiment_ids: Sequence[int]) -> list[dict[str, Any]]:
        """MLflow's DatasetSummary of every dataset used in these experiments, DATASETS_MAX at most."""
        readable = await caller().only_readable(experiment_ids)
        async with self._caught_up_with_experiments(readable) as connection:
            rows = await connection.fetch(SQL["dataset_summaries"], readable, DATASETS_MAX)
        return [_dataset_summary(row) for row in rows]

    async def metric_history(
        self, run_id: str, key: str, *, after: tuple[int, int, float] | None = None, limit: int | None = None
    ) -> list[Points]:
        """A series by (timestamp, step, value), in pieces: up to `limit` points after the point `after`.

        A run that does not exist has no points.
        """
        async with self._series(run_id, key) as series:
            return [] if series is None else [points async for points in history(series, after, limit)]

    async def metric_sample(
        self, run_id: str, key: str, *, start: int | None, end: int | None, most: int
    ) -> Points | None:
        """At most `most` points of a series, spread evenly; None for a run that does not exist."""
        async with self._series(run_id, key) as series:
            return None if series is None else await sample(series, start, end, most)

    @contextlib.asynccontextmanager
    async def _series(self, run_id: str, key: str) -> AsyncIterator[Series | None]:
        parsed = parse_run_id(run_id)
        if parsed is None or not await self._sees_run(parsed):
            yield None
            return
        async with (
            self._caught_up_with_runs([run_id]) as connection,
            # One snapshot: a merge must not take away chunks between two statements.
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Series(connection, parsed, key)

    async def _sees_run(self, run_id: uuid.UUID) -> bool:
        """Is the run in the caller's workspace, or nowhere.

        Raises: Rejected, when it is, and the caller may not read it.
        """
        who = caller()
        if not who.is_checked:
            return True
        experiment_id = self._run_experiments.get(run_id)
        if experiment_id is None:
            experiment_id = await self._pool.fetchval(SQL["experiment_of_run"], run_id)
            if experiment_id is None:
                return True
            if len(self._run_experiments) >= RUN_EXPERIMENTS_MAX:
                self._run_experiments.clear()
            self._run_experiments[run_id] = experiment_id
        try:
            await who.check(experiment_id, _no_run(run_id.hex))
        except Rejected as error:
            if error.error_code != NOT_FOUND:
                raise
            return False
        return True

    async def _readable(self, experiment_ids: Sequence[int] | None) -> list[int] | None:
        """What the caller may read of these experiments (None: of all); None for all there are."""
        who = caller()
        if experiment_ids is not None:
            return await who.only_readable(experiment_ids)
        if who.rights is None:
            return None
        readable = await who.readable()
        if readable is None:
            rows = await self._pool.fetch(SQL["experiments_of_workspace"], who.workspace)
            return [row["experiment_id"] for row in rows]
        return sorted(readable)

    async def runs_to_delete(self, experiment_id: int, until_ms: int, most: int) -> list[uuid.UUID]:
        """Runs that began up to a time and are not deleted, oldest first, at most so many."""
        async with self._caught_up_with_experiments([experiment_id]) as connection:
            rows = await connection.fetch(SQL["runs_to_delete"], experiment_id, until_ms, most)
        return [row["run_id"] for row in rows]

    async def runs_to_restore(self, experiment_id: int, since_ms: int, most: int) -> list[uuid.UUID]:
        """Runs that were deleted from a time on, oldest first, at most so many."""
        async with self._caught_up_with_experiments([experiment_id]) as connection:
            rows = await connection.fetch(SQL["runs_to_restore"], experiment_id, since_ms, most)
        return [row["run_id"] for row in rows]

    async def logged_model(self, model_id: str, *, allow_deleted: bool = False) -> dict[str, Any]:
        """MLflow's LoggedModel.

        Raises: Rejected, when there is none.
        """
        position = await self._pool.fetchval(SQL["model_position"], model_id)
        if position is not None:
            await self.checkpoints.require(self._pool, position)
            async with self._pool.acquire() as connection:
                found = await documents.load_models(connection, [model_id])
            if found:
                await caller().check(found[0].row["experiment_id"], _no_model(model_id))
            if found and (allow_deleted or not found[0].row["deleted"]):
                return found[0].answer()
        raise _no_model(model_id)

    async def model_artifact_uri(self, model_id: str) -> str:
        """Where a logged model's artifacts lie.

        Raises: Rejected, when there is no such model, or it is deleted.
        """
        model = await self.logged_model(model_id)
        return str(model["info"]["artifact_uri"])

    async def search_models(
        self, experiment_ids: Sequence[int] | None, **search: Any
    ) -> tuple[list[dict[str, Any]], str]:
        """A page of MLflow's LoggedModels and the token of the next page, "" when there is none.

        Args: experiment_ids: None for all experiments.
            search: filter, datasets, order_by, limit and page_token, as `compile_models` takes them.
        Raises: Rejected, when the filter, order or token is wrong.
        """
        readable = await self._readable(experiment_ids)
        named = readable if experiment_ids is not None else None
        query = compile_models(experiment_ids=named, readable=readable, **search)
        async with self._caught_up_with_experiments(readable) as connection:
            rows, token = query.page(await connection.fetch(query.sql, *query.args))
            models = await documents.load_models(connection, [row["model_id"] for row in rows])
        return [model.answer() for model in models], token

    def _caught_up_with_runs(self, run_ids: Sequence[str]) -> contextlib.AbstractAsyncContextManager[Any]:
        """A connection, once the views hold the last entry of each of these runs."""
        parsed = [run_id for text in run_ids if (run_id := parse_run_id(text))]
        return self.caught_up("runs_position", parsed)

    def _caught_up_with_experiments(
        self, experiment_ids: Sequence[int] | None
    ) -> contextlib.AbstractAsyncContextManager[Any]:
        """A connection, once the views hold the last entry of each of these experiments (None: of all)."""
        return self.caught_up("experiments_position", experiment_ids)

    @contextlib.asynccontextmanager
    async def caught_up(self, statement: str, *ids: Any, metrics: bool = False) -> AsyncIterator[Any]:
        """A connection, once the views are at the position that `statement` gives for `ids`.

        Args: metrics: with the table of latest points, which may come later.
        Whoever waits for the views has no connection meanwhile, so that reads which need not wait have one.
        """
        position: int | None = None
        while True:
            async with self._pool.acquire() as connection:
                if position is None:
                    position = await connection.fetchval(SQL[statement], *ids)
                # Again after a wait: a crash of the database may have taken back what was there.
                if self.checkpoints.at(position, metrics=metrics):
                    yield connection
                    return
            await self.checkpoints.require(self._pool, position, metrics=metrics)


def _no_run(run_id: str) -> Rejected:
    return Rejected(NOT_FOUND, f"Run with id={run_id} not found")


def _no_model(model_id: str) -> Rejected:
    return Rejected(NOT_FOUND, f"Logged model with ID '{model_id}' not found.")


def _dataset_summary(row: Any) -> dict[str, Any]:
    summary = {
        "experiment_id": str(row["experiment_id"]),
        "name": row["name"],
        "digest": row["digest"],
    }
    return {**summary, "context": row["context"]} if row["context"] else summary


async def _experiments(connection: Any, experiment_ids: Sequence[int]) -> list[dict[str, Any]]:
    rows = {
        row["experiment_id"]: row for row in await connection.fetch(SQL["get_experiments"], experiment_ids)
    }
    tags: dict[int, list[dict[str, str]]] = {}
    for row in await connection.fetch(SQL["get_experiment_tags"], experiment_ids):
        tags.setdefault(row["experiment_id"], []).append({"key": row["key"], "value": row["value"]})
    return [_experiment(rows[number], tags.get(number, [])) for number in experiment_ids if number in rows]


def _experiment(row: Any, tags: list[dict[str, str]]) -> dict[str, Any]:
    experiment = {
        "experiment_id": str(row["experiment_id"]),
        "name": row["name"],
        "artifact_location": row["artifact_location"],
        "lifecycle_stage": "deleted" if row["deleted"] else "active",
        "last_update_time": row["updated_ms"],
        "creation_time": row["created_ms"],
        "workspace": row["workspace"],
    }
    return {**experiment, "tags": tags} if tags else experiment
