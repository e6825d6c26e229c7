"""Many processes at once: order of the log, exact quotas, one winner, and acknowledged writes are seen."""

import asyncio
import contextlib
import random
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.api import Answer, Api, apis_of_workers
from tests.support.rooms import appending, fold_all, new_run, points_of, prepare
from tests.support.server import Server, running_server
from tracklog_contract.errors import QUOTA, Rejected
from tracklog_contract.events import ExperimentTagSet, RunCreated, RunLogged
from tracklog_contract.ids import new_run_id
from tracklog_contract.limits import Quotas
from tracklog_ingest.append import Appender
from tracklog_ingest.experiments import SetExperimentTag
from tracklog_ingest.runs import CreateRun, LogToRun
from tracklog_projector.tail import read_after

ROOT = Path(__file__).parents[2]
WRITERS = 16
APPENDED_PER_PROCESS = 12_000


async def test_a_tailing_reader_meets_every_position_once_and_in_order(database: str) -> None:
    await prepare(database)
    writers = [await _start_writer(database, name) for name in ("one", "two")]
    tail = await asyncpg.connect(database)
    try:
        positions: list[int] = []
        points: Counter[uuid.UUID | None] = Counter()
        most = random.Random(1)
        deadline = time.monotonic() + 120
        while True:
            assert time.monotonic() < deadline, positions[-3:]
            # Looked at before reading: what was appended until then must come out now.
            ended = all(writer.returncode is not None for writer in writers)
            last = positions[-1] if positions else 0
            entries = await read_after(tail, last, entries_max=most.randrange(1, 400))
            positions += [entry.position for entry in entries]
            assert positions[-1:] in ([], [len(positions)]), "a position was skipped or came twice"
            points.update(entry.run_id for entry in entries if isinstance(entry.event, RunLogged))
            if ended and not entries:
                break
    finally:
        await tail.close()
        for writer in writers:
            with contextlib.suppress(ProcessLookupError):
                writer.kill()
            await writer.wait()
    assert [writer.returncode for writer in writers] == [0, 0]
    # The first entry is experiment 0; each process made an experiment and a run.
    assert positions == list(range(1, 2 * (APPENDED_PER_PROCESS + 2) + 2))
    assert sorted(points.values()) == [APPENDED_PER_PROCESS] * 2


async def _start_writer(dsn: str, name: str) -> asyncio.subprocess.Process:
    arguments = ("-m", "tests.support.appending", dsn, name, "64", str(APPENDED_PER_PROCESS))
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)


async def attempt(write: Awaitable[Any]) -> bool:
    """Whether a write was accepted; any refusal but the quota's fails."""
    try:
        await write
    except Rejected as refusal:
        if refusal.error_code != QUOTA:
            raise
        return False
    return True


async def race(writes: list[Callable[[], Awaitable[Any]]], seed: int) -> list[bool]:
    """Which of the writes were accepted, made by WRITERS tasks that take them in random order."""
    order = list(range(len(writes)))
    random.Random(seed).shuffle(order)
    outcomes = [False] * len(writes)
    waiting = iter(order)

    async def write() -> None:
        for number in waiting:
            outcomes[number] = await attempt(writes[number]())

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    return outcomes


SMALL = Quotas(run_points=100, run_params=40, run_tags=40, experiment_runs=50, experiment_tags=30)


@contextlib.asynccontextmanager
async def two_appenders(dsn: str) -> Any:
    """Two appenders with small quotas, a pool each, as two worker processes have; and a run."""
    await prepare(dsn)
    async with appending(dsn, quotas=SMALL) as one, appending(dsn, quotas=SMALL) as two:
        yield [one, two], (await new_run(one, "edge")).hex


def spread(
    appenders: list[Appender], command: Callable[[int], Any], count: int
) -> list[Callable[[], Awaitable[Any]]]:
    """`count` commands, by turns for each appender."""
    return [
        lambda number=number: appenders[number % len(appenders)].submit(command(number))
        for number in range(count)
    ]


async def logged(dsn: str) -> list[Any]:
    """All events in the log."""
    connection = await asyncpg.connect(dsn)
    try:
        return [entry.event for entry in await read_after(connection, 0, bytes_max=2**30)]
    finally:
        await connection.close()


async def test_exactly_the_quota_of_points_is_accepted(database: str) -> None:
    async with two_appenders(database) as (appenders, run_id):
        singles = lambda n: LogToRun(run_id, points_of("k", [n]))  # noqa: E731
        accepted = await race(spread(appenders, singles, 160), seed=1)
    assert sum(accepted) == SMALL.run_points
    assert sum(e.points.points for e in await logged(database) if isinstance(e, RunLogged)) == 100


async def test_a_batch_is_refused_only_where_it_would_cross_the_quota(database: str) -> None:
    sizes = [1 + number % 7 for number in range(120)]
    async with two_appenders(database) as (appenders, run_id):
        batches = lambda n: LogToRun(run_id, points_of(f"k{n}", list(range(sizes[n]))))  # noqa: E731
        accepted = await race(spread(appenders, batches, len(sizes)), seed=2)
    count = sum(size for size, ok in zip(sizes, accepted, strict=True) if ok)
    refused = [size for size, ok in zip(sizes, accepted, strict=True) if not ok]
    # Counts only grow: a batch that was refused cannot fit at the end either.
    assert count <= SMALL.run_points < count + min(refused)
    assert sum(e.points.points for e in await logged(database) if isinstance(e, RunLogged)) == count


async def test_exactly_the_quota_of_params_is_accepted_however_often_each_is_sent(database: str) -> None:
    async with two_appenders(database) as (appenders, run_id):
        # Every param is sent twice: the second time it takes no room, but has none where the first had none.
        params = lambda n: LogToRun(run_id, params={f"p{n // 2}": "v"})  # noqa: E731
        accepted = await race(spread(appenders, params, 130), seed=3)
        again = await race(spread(appenders, params, 130), seed=4)
    keys = {number // 2 for number, ok in enumerate(accepted) if ok}
    assert len(keys) == SMALL.run_params
    assert {number // 2 for number, ok in enumerate(again) if ok} == keys
    stored = [key for e in await logged(database) if isinstance(e, RunLogged) for key in e.params]
    assert sorted(stored) == sorted(f"p{number}" for number in keys)


async def test_exactly_the_quota_of_run_tags_is_accepted(database: str) -> None:
    async with two_appenders(database) as (appenders, run_id):
        tags = lambda n: LogToRun(run_id, tags={f"t{n}": "v"})  # noqa: E731
        accepted = await race(spread(appenders, tags, 70), seed=5)
    # The run's name is a tag too.
    assert sum(accepted) == SMALL.run_tags - 1


async def test_exactly_the_quota_of_runs_is_accepted(database: str) -> None:
    async with two_appenders(database) as (appenders, _):
        runs = lambda _: CreateRun(0, new_run_id(0, 1), "", "", 0, {})  # noqa: E731
        accepted = await race(spread(appenders, runs, 90), seed=6)
    assert sum(accepted) == SMALL.experiment_runs
    assert sum(isinstance(event, RunCreated) for event in await logged(database)) == 50 + 1


async def test_exactly_the_quota_of_experiment_tags_is_accepted(database: str) -> None:
    async with two_appenders(database) as (appenders, _):
        tags = lambda n: SetExperimentTag(0, f"t{n}", "v")  # noqa: E731
        accepted = await race(spread(appenders, tags, 60), seed=7)
    assert sum(accepted) == SMALL.experiment_tags
    assert sum(isinstance(event, ExperimentTagSet) for event in await logged(database)) == 30


async def test_two_projectors_fold_each_entry_once(database: str) -> None:
    async with two_appenders(database) as (appenders, run_id):
        singles = lambda n: LogToRun(run_id, points_of("k", [n]))  # noqa: E731
        writes = race(spread(appenders, singles, 100), seed=8)
        await asyncio.gather(writes, *(fold_all(database) for _ in range(3)))
    await asyncio.gather(*(fold_all(database) for _ in range(3)))
    connection = await asyncpg.connect(database)
    try:
        counts = "select entries, points from tracklog_view.usage where scope = 'run'"
        assert [tuple(row) for row in await connection.fetch(counts)] == [(101, 100)]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with two HTTP processes and Databricks' quotas."""
    with running_server(None, "--workers", "2", "--quotas", "databricks") as running:
        yield running


@pytest.fixture(scope="module")
def worker_pids(server: Server) -> list[int]:
    """Its HTTP processes."""
    return server.pids_by_role()["worker"]


@contextlib.contextmanager
def connections(server: Server, pids: list[int], count: int) -> Iterator[list[Api]]:
    """So many connections, spread evenly over the worker processes."""
    apis = [api for _ in range(-(-count // len(pids))) for api in apis_of_workers(server.url, pids)]
    try:
        yield apis[:count]
    finally:
        for api in apis:
            api.close()


def at_once(apis: list[Api], call: Callable[[int, Api], Answer]) -> list[Answer]:
    """What each connection's call is answered, all begun at the same moment."""
    ready = threading.Barrier(len(apis))

    def run(number: int) -> Answer:
        ready.wait()
        return call(number, apis[number])

    with ThreadPoolExecutor(len(apis)) as threads:
        return list(threads.map(run, range(len(apis))))


def test_one_of_many_clients_creates_an_experiment(server: Server, worker_pids: list[int]) -> None:
    with connections(server, worker_pids, WRITERS) as apis:
        for turn in range(10):
            fields = {"name": f"wanted by all {turn}"}
            answers = at_once(
                apis, lambda _, api, fields=fields: api.call("POST", "experiments/create", fields)
            )
            assert Counter(a.error_code for a in answers) == {"": 1, "RESOURCE_ALREADY_EXISTS": WRITERS - 1}
            (created,) = [a.json["experiment_id"] for a in answers if a.status == 200]
            for api in apis[:2]:
                found = api.get("experiments/get-by-name", {"experiment_name": fields["name"]})
                assert found["experiment"]["experiment_id"] == created


def test_one_of_many_values_of_a_param_is_kept(server: Server, worker_pids: list[int]) -> None:
    with connections(server, worker_pids, WRITERS) as apis:
        run_id = create_run(apis[0], "0")
        for turn in range(10):
            fields = {"run_id": run_id, "key": f"p{turn}"}
            answers = at_once(
                apis,
                lambda number, api, fields=fields: api.call(
                    "POST", "runs/log-parameter", {**fields, "value": str(number)}
                ),
            )
            assert Counter(a.error_code for a in answers) == {"": 1, "INVALID_PARAMETER_VALUE": WRITERS - 1}
            (winner,) = [str(number) for number, a in enumerate(answers) if a.status == 200]
            params = apis[1].get("runs/get", {"run_id": run_id})["run"]["data"]["params"]
            assert {"key": f"p{turn}", "value": winner} in params


def test_exactly_the_quota_is_accepted_over_http(server: Server, worker_pids: list[int]) -> None:
    limit = 1_000
    with connections(server, worker_pids, WRITERS) as apis:
        experiment_id = apis[0].post("experiments/create", {"name": "full of tags"})["experiment_id"]
        keys = iter(range(limit + 100))
        lock = threading.Lock()
        refusals: list[Answer] = []

        def fill(number: int) -> int:
            accepted = 0
            while True:
                with lock:
                    key = next(keys, None)
                if key is None:
                    return accepted
                fields = {"experiment_id": experiment_id, "key": f"t{key}", "value": "v"}
                answer = apis[number].call("POST", "experiments/set-experiment-tag", fields)
                accepted += answer.status == 200
                if answer.status != 200:
                    refusals.append(answer)

        with ThreadPoolExecutor(WRITERS) as threads:
            accepted = sum(threads.map(fill, range(WRITERS)))
        found = apis[1].get("experiments/get", {"experiment_id": experiment_id})["experiment"]
    assert accepted == limit == len(found["tags"])
    assert {(a.status, a.error_code) for a in refusals} == {(400, QUOTA)}
    assert "1,001" in refusals[0].json["message"]
    assert "1,000" in refusals[0].json["message"]


def test_every_read_sees_every_write_acknowledged_before_it(server: Server, worker_pids: list[int]) -> None:
    with connections(server, worker_pids, 16) as apis:
        experiment_id = apis[0].post("experiments/create", {"name": "read your writes"})["experiment_id"]
        run_id = create_run(apis[0], experiment_id)
        acknowledged = {f"k{writer}": 0 for writer in range(8)}
        stop = threading.Event()

        def write(number: int) -> None:
            key = f"k{number}"
            for step in range(1, 10**9):
                if stop.is_set():
                    return
                metric = {"key": key, "value": float(step), "timestamp": step, "step": step}
                fields = {"run_id": run_id, "metrics": [metric], "tags": [{"key": key, "value": str(step)}]}
                apis[number].post("runs/log-batch", fields)
                acknowledged[key] = step
                if step % 10 == 0:
                    # On a connection of another process, at once.
                    read_one(Api(server.url), key, step)

        def read_one(api: Api, key: str, step: int) -> None:
            with api:
                tags = api.get("runs/get", {"run_id": run_id})["run"]["data"]["tags"]
            (value,) = [int(tag["value"]) for tag in tags if tag["key"] == key]
            assert value >= step

        def read(number: int) -> int:
            api = apis[8 + number]
            chosen = random.Random(number)
            reads = 0
            while not stop.is_set():
                before = dict(acknowledged)
                check = chosen.choice((_check_run, _check_search, _check_history, _check_sample))
                check(api, run_id, experiment_id, before)
                reads += 1
            return reads

        with ThreadPoolExecutor(16) as threads:
            writers = [threads.submit(write, number) for number in range(8)]
            readers = [threads.submit(read, number) for number in range(8)]
            deadline = time.monotonic() + 8
            while time.monotonic() < deadline and not any(task.done() for task in writers + readers):
                time.sleep(0.1)
            stop.set()
        for task in writers:
            task.result()
        assert sum(task.result() for task in readers) > 50
        assert min(acknowledged.values()) > 10


def create_run(api: Api, experiment_id: str) -> str:
    """A new run's id."""
    run = api.post("runs/create", {"experiment_id": experiment_id, "start_time": 0})
    return str(run["run"]["info"]["run_id"])


def _check_run(api: Api, run_id: str, _: str, before: dict[str, int]) -> None:
    data = api.get("runs/get", {"run_id": run_id})["run"]["data"]
    _check_data(data, before)


def _check_search(api: Api, run_id: str, experiment_id: str, before: dict[str, int]) -> None:
    conditions = [f"metrics.{key} >= {step} and tags.{key} != 'x'" for key, step in before.items() if step]
    fields = {"experiment_ids": [experiment_id], "filter": " and ".join(conditions)}
    (run,) = api.post("runs/search", fields)["runs"]
    assert run["info"]["run_id"] == run_id
    _check_data(run["data"], before)


def _check_data(data: dict[str, Any], before: dict[str, int]) -> None:
    metrics = {metric["key"]: metric["step"] for metric in data.get("metrics", [])}
    tags = {tag["key"]: tag["value"] for tag in data["tags"]}
    for key, step in before.items():
        assert metrics.get(key, 0) >= step
        assert int(tags.get(key, 0)) >= step


def _check_history(api: Api, run_id: str, _: str, before: dict[str, int]) -> None:
    for key, step in list(before.items())[:2]:
        points = api.get("metrics/get-history", {"run_id": run_id, "metric_key": key}).get("metrics", [])
        steps = [point["step"] for point in points]
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) >= step


def _check_sample(api: Api, run_id: str, _: str, before: dict[str, int]) -> None:
    key, step = max(before.items(), key=lambda pair: pair[1])
    fields = {"run_ids": run_id, "metric_key": key, "max_results": 5}
    points = api.get("metrics/get-history-bulk-interval", fields).get("metrics", [])
    assert max((point["step"] for point in points), default=0) >= step
