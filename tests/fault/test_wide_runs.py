"""A run of thousands of keys, a step at a time: few chunks, and every history right."""

import asyncio
import time

import asyncpg

from tests.support.api import Api
from tests.support.server import Server, running_server
from tracklog_server.embedded import socket_dsn

KEYS = 5_000
STEPS = 60
SETTLED_S = 60.0
# Far fewer than the KEYS rows that each step would cost as rows of keys.
CHUNKS_MAX = 80


def test_a_wide_run_ends_in_few_chunks_with_every_history_right() -> None:
    with running_server() as server, Api(server.url) as api:
        experiment_id = api.post("experiments/create", {"name": "wide"})["experiment_id"]
        run_id = api.post("runs/create", {"experiment_id": experiment_id})["run"]["info"]["run_id"]
        for step in range(STEPS):
            for begin in range(0, KEYS, 1000):
                metrics = [
                    {"key": f"layer/{key}", "value": key + step / 100, "timestamp": 100 * step, "step": step}
                    for key in range(begin, begin + 1000)
                ]
                api.post("runs/log-batch", {"run_id": run_id, "metrics": metrics})
        for key in (0, 1, 2_499, KEYS - 1):
            fields = {"run_id": run_id, "metric_key": f"layer/{key}", "max_results": 25_000}
            points = api.get("metrics/get-history", fields)["metrics"]
            assert [p["step"] for p in points] == list(range(STEPS))
            assert [p["value"] for p in points] == [key + step / 100 for step in range(STEPS)]
        latest = api.get("runs/get", {"run_id": run_id})["run"]["data"]["metrics"]
        assert len(latest) == KEYS
        assert {metric["step"] for metric in latest} == {STEPS - 1}
        chunks = asyncio.run(_settled_chunks(server))
    assert sum(points for points, _ in chunks) == KEYS * STEPS
    assert len(chunks) <= CHUNKS_MAX


async def _settled_chunks(server: Server) -> list[tuple[int, int]]:
    """(points, level) of every chunk, once their number no longer falls."""
    connection = await asyncpg.connect(socket_dsn(server.data_dir.resolve() / "postgres-socket"))
    try:
        deadline = time.monotonic() + SETTLED_S
        while True:
            rows = await connection.fetch("select points, level from tracklog_view.chunk")
            if len(rows) <= CHUNKS_MAX or time.monotonic() > deadline:
                return [(row["points"], row["level"]) for row in rows]
            await asyncio.sleep(0.5)
    finally:
        await connection.close()
