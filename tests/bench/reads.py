"""Measures of reading: searches over many runs, and one long history."""

import hashlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from tests.bench import figures
from tests.bench.figures import Figure, Outcome, SearchFigures
from tests.bench.load import drive
from tests.bench.native import log_runs, whole_run_requests
from tests.bench.payloads import LONG, RunContent, runs, training_json
from tests.bench.peers import ServerName
from tests.bench.progress import say
from tests.bench.runs import RUNS_PER_REQUEST
from tests.bench.scripts import Acknowledged, log_batches
from tests.bench.servers import Server, fresh
from tests.bench.settings import CONNECTIONS, HISTORY_PAGE, POINTS_PER_REQUEST, Settings
from tests.bench.tables import insert_runs
from tests.bench.wire import Api

FILTER = "metrics.acc > 0.5 and params.lr = '0.1'"
_QUIET_S = 5.0
_SAMPLES_MAX = 50
_SAY_EVERY_S = 10.0


def search(name: ServerName, settings: Settings) -> Outcome:
    """Searches over the same runs everywhere, few and then many, which have to give the same answers."""
    outcome = Outcome()
    few, many = settings.search_runs
    content = runs(many)
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        experiment_id = api.create_experiment("sweep")
        load_runs(server, experiment_id, itertools.islice(content, few), few)
        _search(api, experiment_id, SearchFigures.of(few), few, settings, outcome)
        with outcome.telling_failures(name, SearchFigures.of(few).everything):
            _search_to_the_end(api, experiment_id, few, settings, outcome)
        load_runs(server, experiment_id, itertools.islice(content, many - few), many - few)
        _search(api, experiment_id, SearchFigures.of(many), many, settings, outcome)
    return outcome


def _search(
    api: Api,
    experiment_id: str,
    of: SearchFigures,
    count: int,
    settings: Settings,
    outcome: Outcome,
) -> None:
    say(f"searching {count:,} runs")
    time.sleep(_QUIET_S)
    newest = _newest(experiment_id)
    filtered = {**newest, "filter": FILTER, "order_by": ["metrics.acc DESC"], "max_results": 100}
    api.post("runs/search", filtered)  # a warm-up
    best = _time(of.filtered, lambda: [api.post("runs/search", filtered)], settings, outcome)
    pages = _time(of.newest, lambda: [api.post("runs/search", newest)], settings, outcome)
    _note_answers(f"the best of {count:,} runs", best, outcome)
    _note_answers(f"the newest of {count:,} runs", pages, outcome)


def _search_to_the_end(
    api: Api, experiment_id: str, count: int, settings: Settings, outcome: Outcome
) -> None:
    everything = SearchFigures.of(count).everything
    pages = _time(everything, lambda: api.search_pages(_newest(experiment_id)), settings, outcome)
    found = _note_answers(f"all of {count:,} runs", pages, outcome)
    if found != count:
        raise RuntimeError(f"{count} runs were loaded, {found} are found")


def _newest(experiment_id: str) -> dict[str, Any]:
    return {"experiment_ids": [experiment_id], "run_view_type": "ACTIVE_ONLY", "max_results": 1000}


def load_runs(server: Server, experiment_id: str, content: Iterable[RunContent], count: int) -> None:
    """Log these runs, of which there are `count`, in the fastest way that there is."""
    say(f"{server.name}: loading {count:,} runs")
    told = _telling(server, content, count)
    if server.name == "tracklog":
        requests = whole_run_requests(experiment_id, told, RUNS_PER_REQUEST)
        drive(server.port, [log_runs(requests, {})])
    else:
        insert_runs(server, experiment_id, told)


def _telling(server: Server, content: Iterable[RunContent], count: int) -> Iterator[RunContent]:
    """The same, with a line of progress once in a while."""
    say_at = time.perf_counter() + _SAY_EVERY_S
    for number, one in enumerate(content):
        if time.perf_counter() > say_at:
            say(f"{server.name}: {number:,} of {count:,} runs are loaded")
            say_at += _SAY_EVERY_S
        yield one


def _note_answers(what: str, pages: list[bytes], outcome: Outcome) -> int:
    """How many runs were found; which and in what order is noted for the comparison of the servers."""
    found = [run for page in pages for run in _comparable(page)]
    outcome.must_match[f"how many are {what}"] = len(found)
    outcome.must_match[what] = _digest(found)
    return len(found)


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
            say(f"{figure.name}: {statistics.median(outcome.samples[figure]):,.1f} {figure.unit}")
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
