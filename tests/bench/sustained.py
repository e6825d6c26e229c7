"""Measures of tracklog's native lane: points per second for a whole minute, and the lag of the views."""

import time
import uuid
from collections.abc import Callable, Sequence

from tests.bench import figures
from tests.bench.database import fetch
from tests.bench.figures import Figure, Outcome
from tests.bench.lag import LagWatch
from tests.bench.load import Script, drive
from tests.bench.native import Group, begin, fill_runs, series_template, step_runs, step_template
from tests.bench.payloads import WIDE
from tests.bench.peers import ServerName
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged
from tests.bench.servers import Server, fresh
from tests.bench.settings import CONNECTIONS, HISTORY_PAGE, Settings
from tests.bench.wire import Api

STEPS = 1000
REQUESTS_PER_RUN = 100
RUNS_PER_PRODUCER = 80
TEMPLATES = 16

THIN_RUNS = 1000
THIN_KEYS = tuple(f"layer_{number:02}/grad_norm" for number in range(100))
GATHERED_RUNS = 100
THIN_TEMPLATES = 8

_POINTS_STORED = "select coalesce(sum(points), 0)::int8 as points from tracklog_view.chunk"

Scripts = Callable[[Acknowledged], Sequence[Script]]


def native(name: ServerName, settings: Settings) -> Outcome:
    """Columns of ten keys of a run at a time, from several producers."""
    outcome = Outcome()
    templates = [series_template(WIDE.keys, STEPS, seed) for seed in range(TEMPLATES)]
    with fresh(name, settings.base_dir) as server:
        producers = [_begin(server, RUNS_PER_PRODUCER) for _ in range(CONNECTIONS)]

        def scripts(record: Acknowledged) -> Sequence[Script]:
            return [fill_runs(run_ids, templates, STEPS, REQUESTS_PER_RUN, record) for run_ids in producers]

        _sustain(server, scripts, settings, (figures.NATIVE, figures.NATIVE_LAG), WIDE.keys, outcome)
    return outcome


def thin(name: ServerName, settings: Settings) -> Outcome:
    """A thousand runs that log a step of a hundred keys at a time: gathered by senders, and one by one."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server:
        run_ids = _begin(server, THIN_RUNS)
        gathered = [
            Group(part, [step_template(THIN_KEYS, seed, part) for seed in range(THIN_TEMPLATES)])
            for part in (run_ids[n : n + GATHERED_RUNS] for n in range(0, THIN_RUNS, GATHERED_RUNS))
        ]
        _sustain(
            server,
            lambda record: [step_runs([group], record) for group in gathered],
            settings, (figures.THIN, figures.THIN_LAG), THIN_KEYS, outcome,
        )  # fmt: skip
    with fresh(name, settings.base_dir) as server:
        run_ids = _begin(server, THIN_RUNS)
        shared = [step_template(THIN_KEYS, seed) for seed in range(THIN_TEMPLATES)]
        alone = [[Group([run_id], shared) for run_id in run_ids[n::CONNECTIONS]] for n in range(CONNECTIONS)]
        _sustain(
            server,
            lambda record: [step_runs(groups, record) for groups in alone],
            settings, (figures.THINNEST, figures.THINNEST_LAG), THIN_KEYS, outcome,
        )  # fmt: skip
    return outcome


def _begin(server: Server, count: int) -> list[str]:
    run_ids = [uuid.uuid4().hex for _ in range(count)]
    with Api(server.port) as api:
        experiment_id = api.create_experiment(f"native-{run_ids[0]}")
    drive(server.port, [begin(run_ids, experiment_id)])
    return run_ids


def _sustain(
    server: Server,
    scripts: Scripts,
    settings: Settings,
    of: tuple[Figure, Figure],
    keys: Sequence[str],
    outcome: Outcome,
) -> None:
    """Load for the whole time, then see that all that was acknowledged can be read, each point once."""
    assert server.dsn
    figure, lag_figure = of
    say(f"{server.name}: {figure.name}: {settings.sustained_s:.0f} s")
    record = Acknowledged()
    started = time.perf_counter()
    with LagWatch(server.dsn, lambda: f"{record.total:,} points") as watch, Api(server.port) as api:
        load = drive(server.port, scripts(record), settings.sustained_s)
        _check_readable(api, record, record.last_run, keys)
        elapsed_s = time.perf_counter() - started
    with Api(server.port) as api:
        for run_id in list(record.count)[:: max(1, len(record.count) // 5)]:
            _check_readable(api, record, run_id, keys)
    stored = fetch(server.dsn, _POINTS_STORED)[0]["points"]
    if stored != record.total:
        raise RuntimeError(f"{record.total} points were acknowledged, {stored} are stored")
    outcome.add(figure, record.total / elapsed_s)
    outcome.add(lag_figure, watch.max_s)
    outcome.note_load(figure, load, readable_s=elapsed_s - load.elapsed_s, lag=watch.samples)
    say(f"{server.name}: {figure.name}: {record.total / elapsed_s:,.0f} points/s")


def _check_readable(api: Api, record: Acknowledged, run_id: str, keys: Sequence[str]) -> None:
    """Some of the run's series have every point that was acknowledged."""
    expected = record.count[run_id] // len(keys)
    for key in (keys[0], keys[-1]):
        points = api.history_points(run_id, key, HISTORY_PAGE)
        if points != expected:
            raise RuntimeError(f"{expected} points of {key} were acknowledged, {points} can be read")
