"""Measures of what a server costs to have: the time it takes to start, and its memory."""

import itertools
import time

from tests.bench import figures
from tests.bench.figures import Outcome
from tests.bench.load import drive
from tests.bench.payloads import WIDE, training_json
from tests.bench.peers import ServerName
from tests.bench.processes import MIB, MemoryWatch, memory, resident_by_process
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged, log_batches
from tests.bench.servers import Server, data_directory, fresh, running
from tests.bench.settings import CONNECTIONS, Settings
from tests.bench.wire import Api
from tests.bench.writes import REQUESTS_PER_RUN, RUNS_PER_CONNECTION


def start(name: ServerName, settings: Settings) -> Outcome:
    """Seconds from the command to the first answered request, on a new directory and on one with data."""
    outcome = Outcome()
    for _ in range(settings.start_repetitions):
        with data_directory(settings.base_dir) as data_dir:
            with running(name, data_dir) as server:
                outcome.add(figures.START_NEW, server.start_s)
                _log_something(server)
            with running(name, data_dir) as server:
                outcome.add(figures.START_OLD, server.start_s)
        latest = [outcome.samples[figure][-1] for figure in (figures.START_NEW, figures.START_OLD)]
        say(f"{name}: start: {latest[0]:.2f} s on a new directory, {latest[1]:.2f} s on an existing one")
    return outcome


def _log_something(server: Server) -> None:
    with Api(server.port) as api:
        run_id = api.create_run(api.create_experiment("start"))
    drive(server.port, [log_batches([run_id], [next(training_json(WIDE, seed=3))], Acknowledged())])


def resident(name: ServerName, settings: Settings) -> Outcome:
    """Memory of all the server's processes, at rest and at its highest under a load of log-batch requests."""
    outcome = Outcome()
    metrics = list(itertools.islice(training_json(WIDE, seed=1), REQUESTS_PER_RUN))
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        time.sleep(settings.idle_s)
        idle = memory(server.leader_pids)
        outcome.notes["idle, RSS in bytes by process"] = list(
            resident_by_process(server.leader_pids).values()
        )
        experiment_id = api.create_experiment("memory")
        scripts = [
            log_batches(
                [api.create_run(experiment_id) for _ in range(RUNS_PER_CONNECTION[name])],
                metrics,
                Acknowledged(),
            )
            for _ in range(CONNECTIONS)
        ]
        with MemoryWatch(server.leader_pids) as watch:
            drive(server.port, scripts, 1.5 * settings.window_s)
        outcome.notes["under load, RSS in bytes by process"] = list(
            resident_by_process(server.leader_pids).values()
        )
    outcome.add(figures.MEMORY_IDLE, idle.pss / MIB)
    outcome.add(figures.MEMORY_IDLE_RSS, idle.rss / MIB)
    outcome.add(figures.MEMORY_LOAD, watch.peak.pss / MIB)
    outcome.add(figures.MEMORY_LOAD_RSS, watch.peak.rss / MIB)
    say(f"{name}: memory: {idle.pss / MIB:,.0f} MiB idle, {watch.peak.pss / MIB:,.0f} MiB under load")
    return outcome
