"""Rebuilt views answer as the live ones do, byte for byte, and a rebuild under load loses nothing."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.support.api import Api
from tests.support.mixed_load import MixedLoad
from tests.support.rebuild import rebuild
from tests.support.rooms import appending, fold_all, new_run, prepare
from tests.support.seed import seed
from tests.support.server import Server, running_server
from tests.support.trace_load import TraceLoad
from tests.support.writers import Writer, check
from tracklog_projector.checkpoints import Checkpoints
from tracklog_projector.projector import connect, fold_next
from tracklog_projector.schema import NEXT, create_views
from tracklog_server.embedded import socket_dsn

# Longer than runs must be quiet before they are merged and documented.
SETTLED_S = 8.0
OPERATIONS = 1500
TRACE_OPERATIONS = 400
FILTERS = (
    "",
    "metrics.loss > 0.5",
    "params.p1 = '1' AND tags.t1 LIKE '%a%'",
    "attributes.status = 'FINISHED' OR NOT metrics.acc < 2",
    "tags.t2 IS NULL",
    "dataset.name = 'd1'",
)
ORDERS = ((), ("metrics.loss DESC",), ("params.p1",), ("attributes.end_time DESC", "tags.t1"))


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own."""
    with running_server() as running:
        yield running


def all_answers(api: Api, load: MixedLoad, traces: TraceLoad) -> dict[str, bytes]:
    """Every answer the views can give about what `load` and `traces` made."""
    answers: dict[str, bytes] = {}

    def ask(method: str, path: str, fields: Any) -> bytes:
        answer = api.call(method, path, fields)
        assert answer.status in (200, 404), answer.body
        answers[f"{method} {path} {fields}"] = answer.body
        return answer.body

    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        ask("POST", "experiments/search", {"max_results": 1000, "view_type": view})
        for filter_text in FILTERS:
            for order in ORDERS:
                fields = {
                    "experiment_ids": load.experiments,
                    "filter": filter_text,
                    "order_by": list(order),
                    "run_view_type": view,
                    "max_results": 20,
                }
                for token in _pages(ask, fields):
                    fields = {**fields, "page_token": token}
    for run_id, keys in load.keys.items():
        ask("GET", "runs/get", {"run_id": run_id})
        for key in sorted(keys)[:12]:
            ask("GET", "metrics/get-history", {"run_id": run_id, "metric_key": key})
            sampled = {"run_ids": [run_id], "metric_key": key, "max_results": 7}
            ask("GET", "metrics/get-history-bulk-interval", sampled)
            ask("GET", "metrics/get-history-bulk-interval", {**sampled, "start_step": -2, "end_step": 40})
        bulk = {"run_id": [run_id, *list(load.keys)[:3]], "metric_key": "loss", "max_results": 50}
        ask("GET", "metrics/get-history-bulk", bulk)
    for model_id in load.models:
        ask("GET", f"logged-models/{model_id}", {"allow_deleted": "true"})
    ask("POST", "logged-models/search", {"experiment_ids": load.experiments})
    traces.ask(ask)
    return answers


def _pages(ask: Any, fields: dict[str, Any]) -> Iterator[str]:
    token = "first"
    while token:
        if token != "first":
            yield token
            fields = {**fields, "page_token": token}
        body = ask("POST", "runs/search", fields)
        token = body.partition(b'"next_page_token":"')[2].partition(b'"')[0].decode()


def fetch(server: Server, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a statement gives in a server's database."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(socket_dsn(server.data_dir.resolve() / "postgres-socket"))
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return [tuple(row) for row in asyncio.run(ask())]


def usage(server: Server) -> list[tuple[Any, ...]]:
    """Every usage counter."""
    return fetch(server, "select * from tracklog_view.usage order by scope, subject")


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The questions that are answered otherwise now."""
    return [
        f"{question}\n  {before.get(question, b'')[:300]!r}\n  {after.get(question, b'')[:300]!r}"
        for question in {**before, **after}
        if before.get(question) != after.get(question)
    ][:5]


def test_rebuilt_views_answer_byte_for_byte_as_the_live_ones(server: Server) -> None:
    with Api(server.url) as api:
        load = MixedLoad(api, random.Random(seed("replay")))
        load.run(OPERATIONS)
        chance = random.Random(seed("replay of traces"))
        traces = TraceLoad(server.url, api, chance, list(load.keys)[:3])
        traces.run(TRACE_OPERATIONS)
        at_once = all_answers(api, load, traces)
        assert len(at_once) > 500
        time.sleep(SETTLED_S)
        assert differences(at_once, all_answers(api, load, traces)) == []
        counted = usage(server)
        for _ in range(2):
            rebuild(server)
            assert differences(at_once, all_answers(api, load, traces)) == []
            assert usage(server) == counted
        # The views go on from there.
        load.run(100)
        traces.run(50)
        now = all_answers(api, load, traces)
        rebuild(server)
        assert differences(now, all_answers(api, load, traces)) == []


def test_views_of_another_version_are_rebuilt_once_and_are_durable(server: Server) -> None:
    fetch(server, "update tracklog_view.version set digest = 'of another version'")
    assert rebuild(server).count("rebuilt the views") == 1
    relations = "select relname from pg_class where relnamespace = 'tracklog_view'::regnamespace"
    assert fetch(server, f"{relations} and relpersistence <> 'p'") == []


def test_a_rebuild_under_load_loses_nothing(server: Server) -> None:
    with Api(server.url) as api:
        experiment_id = api.post("experiments/create", {"name": "rebuilt"})["experiment_id"]
        writers = [Writer(server.url, experiment_id, number, patience_s=30) for number in range(4)]
        for writer in writers:
            writer.start()
        for _ in range(3):
            time.sleep(0.5)
            rebuild(server)
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join(30)
        assert [problem for writer in writers for problem in writer.problems] == []
        for writer in writers:
            for run in writer.runs:
                check(api, run)


async def test_progress_of_a_rebuild_is_not_taken_for_that_of_the_live_views(database: str) -> None:
    await prepare(database)
    builder = await connect(database, NEXT)
    checkpoints = Checkpoints(database, poll_s=60)
    following = asyncio.create_task(checkpoints.run())
    try:
        await create_views(builder, NEXT)
        await fold_all(database)
        assert await checkpoints.reach(1, timeout_s=5)
        async with appending(database) as appender:
            await new_run(appender, "rebuilt")
        position, _ = await fold_next(builder, 0, turn=None)
        assert not await checkpoints.reach(position, timeout_s=0.3)
        await fold_all(database)
        assert await checkpoints.reach(position, timeout_s=5)
    finally:
        following.cancel()
        await asyncio.wait([following])
        builder.terminate()
