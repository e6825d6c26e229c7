"""What a metric point costs tracklog on disk: log, views and every index, once compaction is at rest."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg

from tests.bench import figures
from tests.bench.figures import Figure, Outcome
from tests.bench.load import drive
from tests.bench.payloads import WIDE, Shape, noise_json, training_json
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged, log_batches
from tests.bench.servers import Server, ServerName, fresh
from tests.bench.settings import CONNECTIONS, POINTS_PER_REQUEST, Settings
from tests.bench.wire import Api

_RELATIONS = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('tracklog_log', 'tracklog_view') and c.relkind in ('r', 'p', 'm')
order by bytes desc
"""
_CHUNKS = """
select sealed, count(*) as chunks, sum(points) as points, sum(octet_length(payload)) as payload_bytes,
    sum(octet_length(summary)) as summary_bytes
from tracklog_view.chunk group by sealed
"""
_UNSEALED = "select count(*) from tracklog_view.chunk where not sealed"
_POLL_S = 1.0
_AT_REST_S = 8.0  # without a change in the number of chunks that wait to be merged


def disk(name: ServerName, settings: Settings) -> Outcome:
    """Bytes per point of two kinds of series, each on a server of its own."""
    outcome = Outcome()
    kinds: tuple[tuple[Figure, Callable[[Shape, int], Iterator[bytes]]], ...] = (
        (figures.DISK_TRAINING, training_json),
        (figures.DISK_NOISE, noise_json),
    )
    for figure, metrics_json in kinds:
        with fresh(name, settings.base_dir) as server:
            points = _fill(server, settings.disk_points, metrics_json)
            waited_s, at_rest = _await_compaction(server.data_dir, settings.disk_settle_s)
            relations = asyncio.run(_fetch(server.data_dir, _RELATIONS))
            chunks = asyncio.run(_fetch(server.data_dir, _CHUNKS))
        per_point = sum(relation["bytes"] for relation in relations) / points
        outcome.add(figure, per_point)
        outcome.notes[figure.name] = {
            "points": points,
            "compaction_at_rest": at_rest,
            "waited_s": waited_s,
            "chunks": chunks,
            "relations": [relation for relation in relations if relation["bytes"] > points / 1000],
        }
        say(f"{name}: {figure.name}: {per_point:.2f} bytes/point" + ("" if at_rest else ", still compacting"))
    return outcome


def _fill(server: Server, points: int, metrics_json: Callable[[Shape, int], Iterator[bytes]]) -> int:
    """One run per connection, ten keys each."""
    requests = points // POINTS_PER_REQUEST // CONNECTIONS
    record = Acknowledged()
    with Api(server.port) as api:
        experiment_id = api.create_experiment("disk")
        run_ids = [api.create_run(experiment_id) for _ in range(CONNECTIONS)]
    say(f"{server.name}: loading {requests * CONNECTIONS * POINTS_PER_REQUEST:,} points")
    drive(
        server.port,
        [
            log_batches([run_id], itertools.islice(metrics_json(WIDE, seed), requests), record)
            for seed, run_id in enumerate(run_ids)
        ],
    )
    return record.total


def _await_compaction(data_dir: Path, longest_s: float) -> tuple[float, bool]:
    """Seconds waited, and whether the number of chunks still to be merged has come to rest."""
    started = changed = time.perf_counter()
    unsealed = -1
    while (now := time.perf_counter()) - started < longest_s:
        count = asyncio.run(_fetch(data_dir, _UNSEALED))[0]["count"]
        if count != unsealed:
            unsealed, changed = count, now
        elif now - changed > _AT_REST_S:
            return now - started, True
        time.sleep(_POLL_S)
    return time.perf_counter() - started, False


async def _fetch(data_dir: Path, query: str) -> list[dict[str, Any]]:
    """Rows from tracklog's embedded PostgreSQL."""
    socket_dir = data_dir / "postgres-socket"
    connection = await asyncpg.connect(f"postgresql://tracklog@/tracklog?host={socket_dir}&port=5432")
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
