"""What a metric point costs on disk: tables and every index, tracklog's once compaction is at rest."""

import itertools
import time
from collections.abc import Callable, Iterator

from tests.bench import figures
from tests.bench.database import fetch
from tests.bench.figures import Figure, Outcome
from tests.bench.load import drive
from tests.bench.payloads import WIDE, Shape, noise_json, training_json
from tests.bench.peers import ServerName
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged, log_batches
from tests.bench.servers import Server, data_directory, fresh, running, sqlite_file
from tests.bench.settings import CONNECTIONS, POINTS_PER_REQUEST, Settings
from tests.bench.wire import Api

_RELATIONS = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('tracklog_log', 'tracklog_view', 'public') and c.relkind in ('r', 'p', 'm')
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

Metrics = Callable[[Shape, int], Iterator[bytes]]


def disk(name: ServerName, settings: Settings) -> Outcome:
    """Bytes per point of two kinds of series, each on a server of its own."""
    outcome = Outcome()
    kinds: tuple[tuple[Figure, Metrics], ...] = (
        (figures.DISK_TRAINING, training_json),
        (figures.DISK_NOISE, noise_json),
    )
    for figure, metrics_json in kinds:
        if name in ("mlflow", "fasttrackml-sqlite"):
            per_point = _in_sqlite(name, settings, metrics_json)
        else:
            per_point = _in_postgres(name, settings, figure, metrics_json, outcome)
        outcome.add(figure, per_point)
        if name != "tracklog":
            outcome.remarks[figure] = (
                f"of {settings.disk_points_peers:,} points, tracklog's of {settings.disk_points:,}"
            )
        say(f"{name}: {figure.name}: {per_point:.2f} bytes/point")
    return outcome


def _in_sqlite(name: ServerName, settings: Settings, metrics_json: Metrics) -> float:
    """Bytes per point that the database has grown by; the file has everything once the server has stopped."""
    with data_directory(settings.base_dir) as data_dir:
        file = sqlite_file(name, data_dir)
        say(f"{name}: starting")
        with running(name, data_dir) as server:
            empty_bytes = sum(part.stat().st_size for part in data_dir.glob(f"{file.name}*"))
            points = _fill(server, settings.disk_points_peers, metrics_json)
        return (file.stat().st_size - empty_bytes) / points


def _in_postgres(
    name: ServerName, settings: Settings, figure: Figure, metrics_json: Metrics, outcome: Outcome
) -> float:
    with fresh(name, settings.base_dir) as server:
        assert server.dsn
        if name == "tracklog":
            points = _fill(server, settings.disk_points, metrics_json)
            waited_s, at_rest = _await_compaction(server.dsn, settings.disk_settle_s)
            notes = {
                "compaction_at_rest": at_rest,
                "waited_s": waited_s,
                "chunks": fetch(server.dsn, _CHUNKS),
            }
        else:
            points, notes = _fill(server, settings.disk_points_peers, metrics_json), {}
        relations = fetch(server.dsn, _RELATIONS)
    outcome.notes[figure.name] = {
        "points": points,
        "relations": [relation for relation in relations if relation["bytes"] > points / 1000],
        **notes,
    }
    return sum(relation["bytes"] for relation in relations) / points


def _fill(server: Server, points: int, metrics_json: Metrics) -> int:
    """One run per connection, ten keys each; how many points these are together."""
    requests = max(1, points // POINTS_PER_REQUEST // CONNECTIONS)
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


def _await_compaction(dsn: str, longest_s: float) -> tuple[float, bool]:
    """Seconds waited, and whether the number of chunks still to be merged has come to rest."""
    say(f"tracklog: waiting for compaction to come to rest, at most {longest_s:.0f} s")
    started = changed = time.perf_counter()
    unsealed = -1
    while (now := time.perf_counter()) - started < longest_s:
        count = fetch(dsn, _UNSEALED)[0]["count"]
        if count != unsealed:
            unsealed, changed = count, now
        elif now - changed > _AT_REST_S:
            return now - started, True
        time.sleep(_POLL_S)
    say(f"tracklog: still compacting after {longest_s:.0f} s")
    return time.perf_counter() - started, False
