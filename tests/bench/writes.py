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
_WARM_UP_REQUESTS = 3


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
    scripts = [
        log_batches([api.create_run(experiment_id) for _ in range(runs)], metrics, record)
        for runs in [RUNS_PER_CONNECTION[server.name]] * CONNECTIONS
    ]
    started = time.perf_counter()
    load = drive(server.port, scripts, settings.window_s)
    _check_readable(api, shape, record, record.last_run)
    elapsed_s = time.perf_counter() - started
    for run_id in list(record.count)[-CONNECTIONS:]:
        _check_readable(api, shape, record, run_id)
    rate = record.total / elapsed_s
    outcome.add(figure, rate)
    _note_load(outcome, figure, load, readable_s=elapsed_s - load.elapsed_s)
    say(f"{server.name}: {figure.name}: {rate:,.0f} points/s")


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
        for repetition in range(settings.repetitions + 1):
            warming_up = repetition == 0
            calls = 20 if warming_up else _SINGLE_CALLS_PER_CONNECTION[name]
            run_ids = [api.create_run(experiment_id) for _ in range(CONNECTIONS)]
            requests = [log_metric_requests(run_id, "loss", calls) for run_id in run_ids]
            record = Acknowledged()
            scripts = [log_metrics(run_ids[n], requests[n], record) for n in range(CONNECTIONS)]
            started = time.perf_counter()
            load = drive(server.port, scripts, settings.window_s)
            points = api.history_points(record.last_run, "loss", HISTORY_PAGE)
            elapsed_s = time.perf_counter() - started
            if points != record.count[record.last_run]:
                raise RuntimeError(f"{record.count[record.last_run]} points acknowledged, {points} readable")
            if not warming_up:
                outcome.add(figures.LOG_METRIC, record.total / elapsed_s)
                outcome.add(figures.LOG_METRIC_P50, load.latency_ms(0.5))
                outcome.add(figures.LOG_METRIC_P99, load.latency_ms(0.99))
                _note_load(outcome, figures.LOG_METRIC, load)
                say(f"{name}: log-metric: {record.total / elapsed_s:,.0f} calls/s")
    return outcome


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
