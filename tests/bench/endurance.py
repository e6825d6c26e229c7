"""Memory of each of tracklog's processes while fifty million points go in."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench import figures
from tests.bench.figures import Outcome
from tests.bench.load import drive
from tests.bench.payloads import WIDE, training_json
from tests.bench.peers import ServerName
from tests.bench.processes import MIB, resident_by_process
from tests.bench.progress import say
from tests.bench.scripts import Acknowledged, log_batches
from tests.bench.servers import fresh
from tests.bench.settings import CONNECTIONS, POINTS_PER_REQUEST, Settings
from tests.bench.wire import Api

_MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)
_REQUESTS_PER_RUN = 500
_INGEST_COMMAND_END = "tracklog_server.process worker"

Resident = dict[int, tuple[str, int]]


@dataclass
class _Watch:
    """Takes every process' RSS each time another share of the points has been acknowledged."""

    leader_pids: Sequence[int]
    requests: int
    answers: int = 0
    taken: dict[float, Resident] = field(default_factory=dict)

    def on_answer(self) -> None:
        self.answers += 1
        share = self.answers / self.requests
        if len(self.taken) < len(_MARKS) and share >= _MARKS[len(self.taken)]:
            resident = resident_by_process(self.leader_pids)
            self.taken[_MARKS[len(self.taken)]] = resident
            sizes = ", ".join(f"{rss / MIB:.0f}" for _, rss in _python_only(resident).values())
            say(f"endurance: {share:.0%} of the points; MiB of each Python process: {sizes}")


def endurance(name: ServerName, settings: Settings) -> Outcome:
    """How much the resident memory of tracklog's processes changes from a tenth of the points to the last.

    Raises: RuntimeError, when one of the processes ended on the way.
    """
    outcome = Outcome()
    metrics = list(itertools.islice(training_json(WIDE, seed=4), _REQUESTS_PER_RUN))
    requests = settings.endurance_points // POINTS_PER_REQUEST
    runs = -(-requests // _REQUESTS_PER_RUN // CONNECTIONS)
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        experiment_id = api.create_experiment("endurance")
        run_ids = [[api.create_run(experiment_id) for _ in range(runs)] for _ in range(CONNECTIONS)]
        record = Acknowledged()
        watch = _Watch(server.leader_pids, runs * CONNECTIONS * _REQUESTS_PER_RUN)
        scripts = [log_batches(ids, metrics, record, watch.on_answer) for ids in run_ids]
        load = drive(server.port, scripts)
    outcome.add(figures.ENDURANCE_RATE, record.total / load.elapsed_s)
    outcome.add(figures.ENDURANCE_WORKER, _largest_change(watch.taken, is_ingest=True))
    outcome.add(figures.ENDURANCE_OTHERS, _largest_change(watch.taken, is_ingest=False))
    outcome.notes["points"] = record.total
    outcome.notes["refused"] = load.refused
    outcome.notes["RSS in bytes by process, at shares of the points"] = {
        f"{share:.0%}": _described(resident) for share, resident in watch.taken.items()
    }
    return outcome


def _python_only(resident: Resident) -> Resident:
    """Without PostgreSQL, each process of which counts the shared buffers it has touched."""
    return {
        pid: (command, rss)
        for pid, (command, rss) in resident.items()
        if "postgres" not in command.split(maxsplit=1)[0]
    }


def _largest_change(taken: dict[float, Resident], *, is_ingest: bool) -> float:
    """In percent of what it was at the first mark, up or down, whichever is larger."""
    before = _python_only(taken[_MARKS[0]])
    changes = []
    for share in _MARKS[1:]:
        after = _python_only(taken[share])
        if before.keys() != after.keys():
            raise RuntimeError(f"processes came or went: {sorted(before)} are now {sorted(after)}")
        changes += [
            100 * (after[pid][1] / rss - 1)
            for pid, (command, rss) in before.items()
            if command.endswith(_INGEST_COMMAND_END) == is_ingest
        ]
    return max(changes, key=abs)


def _described(resident: Resident) -> list[dict[str, Any]]:
    return [{"pid": pid, "command": command, "rss": rss} for pid, (command, rss) in resident.items()]
