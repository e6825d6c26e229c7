"""Measures of writing points, in batches and one by one; only what reads back counts."""

import itertools
import time

from tests.bench import figures
from tests.bench.figures import Figure, Outcome
from tests.bench.load import Load, drive
from tests.bench.payloads import LONG, WIDE, Shape, training_json
from tests.bench.peers import ServerName
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged, log_batches, log_metric_requests, log_metrics
from tests.bench.servers import Server, fresh
from tests.bench.settings import CONNECTIONS, HISTORY_PAGE, Settings
from tests.bench.wire import Api

# Requests before a connection turns to its next run: 50,000 points, a page or two of history per key.
REQUESTS_PER_RUN = 50
# More than a window has room for, without creating runs that will stay empty.
RUNS_PER_CONNECTION = {"mlflow": 2, "fasttrackml-sqlite": 10, "fasttrackml-postgres": 10, "tracklog": 30}
_SINGLE_CALLS_PER_CONNECTION = {
    "mlflow": 1_000,
    "fasttrackml-sqlite": 5_000,
    "fasttrackml-postgres": 5_000,
    "tracklog": 10_000,
}
_WARM_UP_REQUESTS = 3
_WARM_UP_CALLS = 20


def log_batch(name: ServerName, settings: Settings) -> Outcome:
    """Points per second, acknowledged and readable, in requests of 1,000 points."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        experiment_id = api.create_experiment("log-batch")
        for figure, shape in ((figures.LOG_BATCH_WIDE, WIDE), (figures.LOG_BATCH_LONG, LONG)):
            metrics = list(itertools.islice(training_json(shape, seed=1), REQUESTS_PER_RUN))
            _warm_up(server, api, experiment_id, metrics)
            for _ in range(settings.repetitions):
                _log_batch_once(server, api, experiment_id, shape, metrics, settings, figure, outcome)
    return outcome


def _log_batch_once(
    server: Server,
    api: Api,
    experiment_id: str,
    shape: Shape,
    metrics: list[bytes],
    settings: Settings,
    figure: Figure,
    outcome: Outcome,
) -> None:
    record = Acknowledged()
    scripts = []
    for _ in range(CONNECTIONS):
        run_ids = [api.create_run(experiment_id) for _ in range(RUNS_PER_CONNECTION[server.name])]
        scripts.append(log_batches(run_ids, metrics, record))
    started = time.perf_counter()
    load = drive(server.port, scripts, settings.window_s)
    _check_readable(api, shape, record, record.last_run)
    elapsed_s = time.perf_counter() - started
    for run_id in list(record.count)[-CONNECTIONS:]:
        _check_readable(api, shape, record, run_id)
    outcome.add(figure, record.total / elapsed_s)
    outcome.note_load(figure, load, readable_s=elapsed_s - load.elapsed_s)
    say(f"{server.name}: {figure.name}: {record.total / elapsed_s:,.0f} points/s")


def _check_readable(api: Api, shape: Shape, record: Acknowledged, run_id: str) -> None:
    """Every point that was acknowledged for the run is in its history."""
    expected = record.count[run_id] // len(shape.keys)
    for key in shape.keys:
        points = api.history_points(run_id, key, HISTORY_PAGE)
        if points != expected:
            raise RuntimeError(f"{expected} points of {key} were acknowledged, {points} can be read")


def _warm_up(server: Server, api: Api, experiment_id: str, metrics: list[bytes]) -> None:
    run_ids = [api.create_run(experiment_id) for _ in range(CONNECTIONS)]
    few = metrics[:_WARM_UP_REQUESTS]
    drive(server.port, [log_batches([run_id], few, Acknowledged()) for run_id in run_ids])


def log_metric(name: ServerName, settings: Settings) -> Outcome:
    """Single log-metric calls per second, and how long one takes."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        experiment_id = api.create_experiment("log-metric")
        _log_metric_once(server, api, experiment_id, _WARM_UP_CALLS, settings)
        for _ in range(settings.repetitions):
            calls = _SINGLE_CALLS_PER_CONNECTION[name]
            load, rate = _log_metric_once(server, api, experiment_id, calls, settings)
            outcome.add(figures.LOG_METRIC, rate)
            outcome.add(figures.LOG_METRIC_P50, load.latency_ms(0.5))
            outcome.add(figures.LOG_METRIC_P99, load.latency_ms(0.99))
            outcome.note_load(figures.LOG_METRIC, load)
            say(f"{name}: log-metric: {rate:,.0f} calls/s")
    return outcome


def _log_metric_once(
    server: Server, api: Api, experiment_id: str, calls: int, settings: Settings
) -> tuple[Load, float]:
    """The load, at most this many calls per connection, and its rate until everything was readable."""
    record = Acknowledged()
    scripts = []
    for _ in range(CONNECTIONS):
        run_id = api.create_run(experiment_id)
        scripts.append(log_metrics(run_id, log_metric_requests(run_id, LONG.keys[0], calls), record))
    started = time.perf_counter()
    load = drive(server.port, scripts, settings.window_s)
    _check_readable(api, LONG, record, record.last_run)
    elapsed_s = time.perf_counter() - started
    for run_id in record.count:
        _check_readable(api, LONG, record, run_id)
    return load, record.total / elapsed_s
