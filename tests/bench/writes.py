"""Measures of writing: batches of points, single points, whole runs; only what reads back counts."""

import itertools
import time
from typing import Any

from tests.bench import figures
from tests.bench.figures import Figure, Outcome
from tests.bench.load import Load, drive
from tests.bench.payloads import LONG, WIDE, RunContent, Shape, runs, training_json
from tests.bench.progress import say
from tests.bench.scripts import (
    Acknowledged,
    log_batches,
    log_metric_requests,
    log_metrics,
    prepare,
    whole_runs,
)
from tests.bench.servers import Server, ServerName, fresh
from tests.bench.settings import CONNECTIONS, HISTORY_PAGE, Settings
from tests.bench.wire import Api

# Requests before a connection turns to its next run: 50,000 points, a page or two of history per key.
REQUESTS_PER_RUN = 50
# More than a window has room for, without creating runs that will stay empty.
RUNS_PER_CONNECTION = {"mlflow": 2, "tracklog": 30}
_SINGLE_CALLS_PER_CONNECTION = {"mlflow": 1_000, "tracklog": 10_000}
_PREPARED_RUNS = 400
_RUNS_CHECKED = 20
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
    _note_load(outcome, figure, load, readable_s=elapsed_s - load.elapsed_s)
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


def _note_load(outcome: Outcome, figure: Figure, load: Load, **more: Any) -> None:
    notes = {
        "requests": len(load.latencies_s),
        "elapsed_s": load.elapsed_s,
        "refused": load.refused,
        "latency_p50_ms": load.latency_ms(0.5),
        "latency_p99_ms": load.latency_ms(0.99),
        "generator_cpu_share": load.generator_cpu_s / load.elapsed_s,
        **more,
    }
    outcome.notes.setdefault(figure.name, []).append(notes)


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
            _note_load(outcome, figures.LOG_METRIC, load)
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


def runs_created(name: ServerName, settings: Settings) -> Outcome:
    """Whole runs per second: create with tags, log params and metrics, finish."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        experiment_id = api.create_experiment("whole-runs")
        prepared = [prepare(experiment_id, content) for content in runs(_PREPARED_RUNS)]
        drive(server.port, [whole_runs(prepared[:1], {}) for _ in range(CONNECTIONS)])
        for _ in range(settings.repetitions):
            finished: dict[str, RunContent] = {}
            scripts = [whole_runs(itertools.cycle(prepared), finished) for _ in range(CONNECTIONS)]
            started = time.perf_counter()
            load = drive(server.port, scripts, settings.window_s)
            _check_run(api, *next(reversed(finished.items())))
            rate = len(finished) / (time.perf_counter() - started)
            for run_id in list(finished)[:: max(1, len(finished) // _RUNS_CHECKED)]:
                _check_run(api, run_id, finished[run_id])
            outcome.add(figures.WHOLE_RUNS, rate)
            _note_load(outcome, figures.WHOLE_RUNS, load)
            say(f"{name}: whole runs: {rate:,.0f} runs/s")
    return outcome


def _check_run(api: Api, run_id: str, content: RunContent) -> None:
    """The run reads back finished and with everything that was logged."""
    run = api.run(run_id)
    read = {
        kind: {item["key"]: item["value"] for item in run["data"][kind]} for kind in ("params", "metrics")
    }
    if (run["info"]["status"], read) != (
        "FINISHED",
        {"params": content.params, "metrics": content.metrics},
    ):
        raise RuntimeError(f"run {run_id} reads back as {run}, not as {content}")
