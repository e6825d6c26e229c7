"""Measures of whole runs, from their creation to their end; what reads back must be what was sent."""

import itertools
import time

from tests.bench import figures
from tests.bench.figures import Outcome
from tests.bench.load import drive
from tests.bench.native import RequestOfRuns, log_runs, whole_run_requests
from tests.bench.payloads import RunContent, runs
from tests.bench.peers import ServerName
from tests.bench.progress import say
from tests.bench.scripts import prepare, whole_runs
from tests.bench.servers import Server, fresh
from tests.bench.settings import CONNECTIONS, Settings
from tests.bench.wire import Api

RUNS_PER_REQUEST = 100
_PREPARED_RUNS = 400
_RUNS_CHECKED = 20
# More than there is time for.
_NATIVE_RUNS_PER_S = 16_000


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
            rate = _rate(api, finished, started)
            outcome.add(figures.WHOLE_RUNS, rate)
            outcome.note_load(figures.WHOLE_RUNS, load)
            say(f"{name}: whole runs: {rate:,.0f} runs/s")
        if name == "tracklog":
            _native(server, api, experiment_id, settings, outcome)
    return outcome


def _native(server: Server, api: Api, experiment_id: str, settings: Settings, outcome: Outcome) -> None:
    drive(server.port, [log_runs(_prepared(experiment_id, RUNS_PER_REQUEST), {})])
    for _ in range(settings.repetitions):
        count = int(_NATIVE_RUNS_PER_S * settings.window_s) // CONNECTIONS
        requests = [_prepared(experiment_id, count) for _ in range(CONNECTIONS)]
        finished: dict[str, RunContent] = {}
        started = time.perf_counter()
        load = drive(server.port, [log_runs(of_one, finished) for of_one in requests], settings.window_s)
        rate = _rate(api, finished, started)
        outcome.add(figures.NATIVE_RUNS, rate)
        outcome.note_load(figures.NATIVE_RUNS, load)
        say(f"{server.name}: whole runs, native: {rate:,.0f} runs/s")


def _prepared(experiment_id: str, count: int) -> list[RequestOfRuns]:
    contents = itertools.islice(itertools.cycle(runs(_PREPARED_RUNS)), count)
    return list(whole_run_requests(experiment_id, contents, RUNS_PER_REQUEST))


def _rate(api: Api, finished: dict[str, RunContent], started: float) -> float:
    """Runs per second since `started`, until the last of them can be read."""
    _check(api, *next(reversed(finished.items())))
    rate = len(finished) / (time.perf_counter() - started)
    for run_id in list(finished)[:: max(1, len(finished) // _RUNS_CHECKED)]:
        _check(api, run_id, finished[run_id])
    return rate


def _check(api: Api, run_id: str, content: RunContent) -> None:
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
