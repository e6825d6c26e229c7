"""The native lane under races and restarts: requests stored once, exact quotas, true latest points."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import msgpack
import psutil
import pytest

from tests.support.api import Api
from tests.support.native import Producer, series
from tests.support.rooms import appending, new_run, prepare
from tests.support.server import Server, running_server
from tracklog_contract.errors import QUOTA
from tracklog_contract.events import RunLogged
from tracklog_contract.limits import Quotas
from tracklog_ingest import native_wire
from tracklog_ingest.native import Answer, NativeBatch
from tracklog_projector.tail import read_after
from tracklog_server.embedded import socket_dsn


def batch(producer: uuid.UUID, sequence: int, *runs: dict[str, Any]) -> NativeBatch:
    body = msgpack.packb({"producer": producer.bytes, "sequence": sequence, "runs": list(runs)})
    return NativeBatch(native_wire.decode(body), 0, len(body))


async def logged_points(database: str, run_id: uuid.UUID) -> list[tuple[str, int]]:
    """The series and how many points of each, in the order of the log."""
    connection = await asyncpg.connect(database)
    try:
        return [
            series
            for entry in await read_after(connection, 0)
            if entry.run_id == run_id and isinstance(entry.event, RunLogged)
            for series in zip(entry.event.points.keys, entry.event.points.counts, strict=True)
        ]
    finally:
        await connection.close()


@pytest.mark.parametrize("more", [{}, {"params": {"p": "1"}}])
async def test_one_request_sent_through_two_nodes_at_once_is_stored_once(
    database: str, more: dict[str, Any]
) -> None:
    await prepare(database)
    producer = uuid.uuid4()
    async with appending(database) as one, appending(database) as two:
        run_id = await new_run(one, "runs")
        for sequence in range(1, 30):
            part = {"run_id": run_id.hex, "points": series(sequence, m=[1.0]), **more}
            sent = [node.submit(batch(producer, sequence, part)) for node in (one, two, one, two)]
            answers = await asyncio.gather(*sent)
            assert sorted(answer.duplicate for answer in answers) == [False, True, True, True]
            assert len({answer.position for answer in answers}) == 1
    # Whoever comes after a restart knows it too.
    async with appending(database) as three:
        again = await three.submit(batch(producer, 29, part))
        assert again == Answer(answers[0].position, duplicate=True)
    assert await logged_points(database, run_id) == [("m", 1)] * 29


async def test_rejections_are_told_again_after_a_restart(database: str) -> None:
    await prepare(database)
    producer, unknown = uuid.uuid4(), uuid.uuid4()
    request = batch(producer, 1, {"run_id": unknown.hex, "points": series(m=[1.0, 2.0])})
    async with appending(database) as before:
        first = await before.submit(request)
    async with appending(database) as after:
        again = await after.submit(request)
    assert [(r.item, r.points, r.error_code) for r in first.rejected] == [
        ("run", 2, "RESOURCE_DOES_NOT_EXIST")
    ]
    assert (again.position, again.duplicate, list(again.rejected)) == (None, True, list(first.rejected))


async def test_racing_producers_fill_a_quota_exactly(database: str) -> None:
    await prepare(database)
    limit = 1000
    chance = random.Random(3)
    async with (
        appending(database, quotas=Quotas(run_points=limit)) as one,
        appending(database, quotas=Quotas(run_points=limit)) as two,
    ):
        run_id = await new_run(one, "full")

        async def produce(node: Any) -> tuple[int, int]:
            producer, sent, refused = uuid.uuid4(), 0, 0
            for sequence in range(1, 16):
                counts = [chance.randrange(1, 9), chance.randrange(1, 9)]
                points = series(sequence * 10, a=[0.0] * counts[0], b=[0.0] * counts[1])
                answer = await node.submit(
                    batch(producer, sequence, {"run_id": run_id.hex, "points": points})
                )
                assert {r.error_code for r in answer.rejected} <= {QUOTA}
                sent += sum(counts)
                refused += sum(r.points for r in answer.rejected)
            return sent, refused

        results = await asyncio.gather(*(produce(node) for node in (one, two) for _ in range(10)))
    sent, refused = (sum(column) for column in zip(*results, strict=True))
    assert sent > limit
    assert sent - refused == limit
    assert sum(count for _, count in await logged_points(database, run_id)) == limit


async def test_the_first_points_that_fit_are_kept(database: str) -> None:
    await prepare(database)
    async with appending(database, quotas=Quotas(run_points=10, run_params=1, run_tags=2)) as node:
        run_id = await new_run(node, "small")
        part = {
            "run_id": run_id.hex,
            "points": series(a=[0.0] * 4, b=[0.0] * 9, c=[0.0]),
            "params": {"p": "1", "q": "2"},
            "tags": {"t": "1", "u": "2"},
        }
        answer = await node.submit(batch(uuid.uuid4(), 1, part))
    lost = [(r.item, r.key, r.points, r.error_code) for r in answer.rejected]
    # The run's name is a tag too.
    assert lost == [
        ("param", "q", 0, QUOTA),
        ("tag", "u", 0, QUOTA),
        ("series", "b", 3, QUOTA),
        ("series", "c", 1, QUOTA),
    ]
    assert await logged_points(database, run_id) == [("a", 4), ("b", 6)]


async def test_entries_that_unfold_to_many_points_are_read_a_few_at_a_time(database: str) -> None:
    await prepare(database)
    producer = uuid.uuid4()
    async with appending(database) as node:
        run_id = await new_run(node, "flat")
        first = (await node.submit(batch(producer, 1, {"run_id": run_id.hex, "tags": {"t": "1"}}))).position
        for sequence in range(2, 8):
            points = series(sequence * 10**6, m=[0.0] * 200_000)
            await node.submit(batch(producer, sequence, {"run_id": run_id.hex, "points": points}))
    connection = await asyncpg.connect(database)
    try:
        read = await read_after(connection, first, points_max=300_000)
        assert [entry.position for entry in read] == [first + 1, first + 2]
        assert len(await read_after(connection, first + 5)) == 1
    finally:
        await connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own."""
    with running_server() as running:
        yield running


def fresh_rows(server: Server) -> int:
    """How many packed rows of latest points there are."""

    async def ask() -> Any:
        connection = await asyncpg.connect(socket_dsn(server.data_dir.resolve() / "postgres-socket"))
        try:
            return await connection.fetchval("select count(*) from tracklog_view.metric_fresh")
        finally:
            await connection.close()

    return int(asyncio.run(ask()))


def test_latest_points_of_many_wide_runs_are_true_while_they_gather(server: Server) -> None:
    ids = [uuid.uuid4().hex for _ in range(200)]
    keys = [f"m{number}" for number in range(50)]

    def step(number: int) -> None:
        points = {"keys": keys, "counts": [1] * 50, "first_steps": [number] * 50, "timestamps": number}
        producer.log(
            *(
                {
                    "run_id": run_id,
                    "begin": {"experiment_name": "wide"},
                    "points": points | {"values": series(x=[float(place * 100 + number)] * 50)["values"]},
                }
                for place, run_id in enumerate(ids)
            )
        )

    with Producer(server.url) as producer, Api(server.url) as api:
        # The last one is late: its step is before that of the one before.
        for number in (1, 2, 4, 3):
            step(number)
            run = api.get("runs/get", {"run_id": ids[7]})["run"]
            latest = {metric["key"]: metric for metric in run["data"]["metrics"]}
            assert sorted(latest) == sorted(keys)
            expected = 4 if number == 3 else number
            assert {metric["step"] for metric in latest.values()} == {expected}
        assert fresh_rows(server) > 0
        # The projector dies with them on their way.
        psutil.Process(server.pids_by_role()["projector"][0]).kill()
        experiment = api.get("experiments/get-by-name", {"experiment_name": "wide"})["experiment"]
        search = {
            "experiment_ids": [experiment["experiment_id"]],
            "filter": "metrics.m49 > 10000",
            "order_by": ["metrics.m3 DESC"],
            "max_results": 1000,
        }
        found = api.post("runs/search", search)["runs"]
        assert [run["info"]["run_id"] for run in found] == ids[:99:-1]
        assert {metric["value"] for metric in found[0]["data"]["metrics"]} == {19904.0}
        assert fresh_rows(server) == 0
        # Those that nobody asks for come in by themselves.
        step(5)
        api.get("runs/get", {"run_id": ids[0]})
        assert fresh_rows(server) > 0
        assert _within(20.0, lambda: fresh_rows(server) == 0)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return held
