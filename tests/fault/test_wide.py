"""Wide and thin runs: many keys with few points each cost few rows, while they are written and afterwards."""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.support.api import Api
from tests.support.rebuild import rebuild
from tests.support.server import Server, running_server
from tracklog_server.embedded import socket_dsn

KEYS = 5_000
STEPS = 100
BATCH = 1_000
# A run that is quiet for 5 s is merged; this is how long we wait for it.
MERGED_WITHIN_S = 30.0


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own."""
    with running_server() as running:
        yield running


def chunk_rows(server: Server, run_id: str | None = None) -> int:
    """How many chunk rows there are, of one run or of all."""
    return int(
        _ask(server, "select count(*) from tracklog_view.chunk where $1::uuid is null or run_id = $1", run_id)
    )


def _ask(server: Server, query: str, *arguments: Any) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(socket_dsn(server.data_dir.resolve() / "postgres-socket"))
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    return asyncio.run(ask())


def new_run(api: Api) -> str:
    """A new run's id."""
    return str(api.post("runs/create", {"experiment_id": "0", "start_time": 0})["run"]["info"]["run_id"])


def value_of(key: int, step: int) -> float:
    return key + step / 1000


def log_step(api: Api, run_id: str, keys: int, step: int, *, read_back: bool = False) -> None:
    """One point of every key, in as many requests as it takes.

    Args: read_back: after each request, so that each is folded by itself, as those of a slow client are.
    """
    for begin in range(0, keys, BATCH):
        metrics = [
            {"key": f"layer/{key:04}", "value": value_of(key, step), "timestamp": 10 * step, "step": step}
            for key in range(begin, begin + BATCH)
        ]
        api.post("runs/log-batch", {"run_id": run_id, "metrics": metrics})
        if read_back:
            api.get("metrics/get-history", {"run_id": run_id, "metric_key": "none"})


def check_series(api: Api, run_id: str, keys: int, steps: int) -> None:
    """Every key's latest point and some keys' whole histories."""
    latest = api.get("runs/get", {"run_id": run_id})["run"]["data"]["metrics"]
    assert [(item["key"], item["value"], item["step"]) for item in latest] == [
        (f"layer/{key:04}", value_of(key, steps - 1), steps - 1) for key in range(keys)
    ]
    for key in [0, keys - 1, *random.Random(1).sample(range(keys), 15)]:
        fields = {"run_id": run_id, "metric_key": f"layer/{key:04}"}
        history = api.get("metrics/get-history", fields)["metrics"]
        assert [(point["step"], point["value"]) for point in history] == [
            (step, value_of(key, step)) for step in range(steps)
        ]


def await_rows(server: Server, most: int, run_id: str | None = None) -> None:
    """Wait until there are so few chunk rows."""
    deadline = time.monotonic() + MERGED_WITHIN_S
    while (rows := chunk_rows(server, run_id)) > most:
        assert time.monotonic() < deadline, f"still {rows} rows"
        time.sleep(0.5)


def test_a_run_of_5000_keys_costs_few_rows(server: Server) -> None:
    peak = 0
    with Api(server.url) as api:
        run_id = new_run(api)
        for step in range(STEPS):
            log_step(api, run_id, KEYS, step, read_back=True)
            if step % 10 == 9:
                peak = max(peak, chunk_rows(server))
        check_series(api, run_id, KEYS, STEPS)
        # Half a million points fill 31 chunks.
        await_rows(server, 60)
        print("chunk rows: at most", peak, "then", chunk_rows(server))
        check_series(api, run_id, KEYS, STEPS)
    assert peak <= 150


def test_many_runs_of_1000_keys_cost_few_rows_each(server: Server) -> None:
    runs = 60
    with Api(server.url) as api:
        run_ids = [new_run(api) for _ in range(runs)]
        for step in range(3):
            for run_id in run_ids:
                log_step(api, run_id, 1000, step)
        await_rows(server, runs)
        for run_id in run_ids[::20]:
            check_series(api, run_id, 1000, 3)


def test_a_rebuild_leaves_few_rows_too(server: Server) -> None:
    writers, calls = 8, 600
    with Api(server.url) as api:
        run_id = new_run(api)

    def write(writer: int) -> None:
        with Api(server.url) as api:
            for step in range(calls):
                point = {"key": f"k{writer}", "value": step, "timestamp": step, "step": step}
                api.post("runs/log-metric", {"run_id": run_id, **point})

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await_rows(server, 2, run_id)
    rebuild(server)
    await_rows(server, 2, run_id)
    with Api(server.url) as api:
        for writer in range(writers):
            fields = {"run_id": run_id, "metric_key": f"k{writer}"}
            history = api.get("metrics/get-history", fields)["metrics"]
            assert [point["step"] for point in history] == list(range(calls))
