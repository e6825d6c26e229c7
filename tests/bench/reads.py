"""Measures of reading: searches over many runs, and one long history."""

import hashlib
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tests.bench import figures
from tests.bench.figures import Figure, Outcome
from tests.bench.load import drive
from tests.bench.mlflow_sqlite import insert_runs
from tests.bench.payloads import LONG, runs, training_json
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged, log_batches, prepare, whole_runs
from tests.bench.servers import Server, ServerName, fresh, mlflow_database
from tests.bench.settings import CONNECTIONS, HISTORY_PAGE, POINTS_PER_REQUEST, Settings
from tests.bench.wire import Api

FILTER = "metrics.acc > 0.5 and params.lr = '0.1'"
_QUIET_S = 5.0
_SAMPLES_MAX = 50


def search(name: ServerName, settings: Settings) -> Outcome:
    """Three searches over the same runs on both servers, which have to give the same answers."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        experiment_id = api.create_experiment("sweep")
        _load_runs(server, experiment_id, settings.search_runs)
        time.sleep(_QUIET_S)
        everything = {"experiment_ids": [experiment_id], "run_view_type": "ACTIVE_ONLY", "max_results": 1000}
        filtered = {**everything, "filter": FILTER, "order_by": ["metrics.acc DESC"], "max_results": 100}
        api.post("runs/search", filtered)  # a warm-up
        [best] = _time(
            figures.SEARCH_FILTERED, lambda: [api.post("runs/search", filtered)], settings, outcome
        )
        _time(figures.SEARCH_NEWEST, lambda: [api.post("runs/search", everything)], settings, outcome)
        pages = _time(figures.SEARCH_ALL, lambda: api.search_pages(everything), settings, outcome)
        _check_answers(best, pages, settings, outcome)
    for figure, values in outcome.samples.items():
        say(f"{name}: {figure.name}: {statistics.median(values):,.1f} {figure.unit}")
    return outcome


def _load_runs(server: Server, experiment_id: str, count: int) -> None:
    say(f"{server.name}: loading {count:,} runs")
    if server.name == "mlflow":
        insert_runs(mlflow_database(server.data_dir), experiment_id, runs(count))
        return
    shared = (prepare(experiment_id, content) for content in runs(count))
    drive(server.port, [whole_runs(shared, {}) for _ in range(CONNECTIONS)])


def _check_answers(best_page: bytes, pages: list[bytes], settings: Settings, outcome: Outcome) -> None:
    """All runs are found; what is found, and in what order, is noted for the comparison of the servers."""
    found = [run for page in pages for run in _comparable(page)]
    if len(found) != settings.search_runs:
        raise RuntimeError(f"{settings.search_runs} runs were loaded, {len(found)} are found")
    best = _comparable(best_page)
    outcome.must_match["runs found"] = len(found)
    outcome.must_match["all runs, newest first"] = _digest(found)
    outcome.must_match["runs that pass the filter, on the first page"] = len(best)
    outcome.must_match["the first page of those, best first"] = _digest(best)


def _comparable(page: bytes) -> list[Any]:
    """The page's runs without what each server chooses: ids and places."""
    return [
        [
            {key: run["info"].get(key) for key in ("run_name", "status", "start_time", "end_time")},
            *(
                sorted((item["key"], item["value"]) for item in run["data"].get(kind, ()))
                for kind in ("params", "tags", "metrics")
            ),
        ]
        for run in msgspec.json.decode(page).get("runs", ())
    ]


def _digest(runs_found: list[Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(runs_found)).hexdigest()


def _time(
    figure: Figure, query: Callable[[], list[bytes]], settings: Settings, outcome: Outcome
) -> list[bytes]:
    """The query's last answer, after as many samples as fit into `search_seconds`.

    At least one sample per repetition, unless they are very long.
    """
    units_per_s = 1000 if figure.unit == "ms" else 1
    started = time.perf_counter()
    samples = 0
    while True:
        before = time.perf_counter()
        answer = query()
        outcome.add(figure, units_per_s * (time.perf_counter() - before))
        samples += 1
        spent_s = time.perf_counter() - started
        enough = samples >= settings.repetitions and spent_s > settings.search_seconds
        if enough or samples >= _SAMPLES_MAX or spent_s > 3 * settings.search_seconds:
            return answer


def history(name: ServerName, settings: Settings) -> Outcome:
    """One key's history of 100,000 points, page after page as MLflow's clients read it."""
    outcome = Outcome()
    requests = settings.history_points // POINTS_PER_REQUEST
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        run_id = api.create_run(api.create_experiment("history"))
        say(f"{name}: loading {settings.history_points:,} points")
        shared = itertools.islice(training_json(LONG, seed=2), requests)
        drive(
            server.port,
            [log_batches([run_id], shared, Acknowledged()) for _ in range(CONNECTIONS)],
        )
        time.sleep(_QUIET_S)
        for repetition in range(settings.repetitions + 1):
            started = time.perf_counter()
            points = api.history_points(run_id, LONG.keys[0], HISTORY_PAGE)
            elapsed_s = time.perf_counter() - started
            if points != settings.history_points:
                raise RuntimeError(f"{settings.history_points} points were logged, {points} can be read")
            if repetition:  # the first is a warm-up
                outcome.add(figures.HISTORY, elapsed_s)
                say(f"{name}: history: {elapsed_s:.3f} s")
    return outcome
