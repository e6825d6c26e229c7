"""The crowd: many training processes log at once while readers poll; nothing may be lost, doubled or slow."""

import itertools
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from tests.bench import figures, trainers
from tests.bench.database import fetch
from tests.bench.figures import Outcome
from tests.bench.peers import ServerName
from tests.bench.processes import processor_s
from tests.bench.progress import say
from tests.bench.servers import Server, environment, fresh
from tests.bench.settings import HISTORY_PAGE, Settings
from tests.bench.wire import Api

_FEW = 5
_FEW_S_SHARE = 0.2  # of the crowd's time
_POLL_S = 1.0
_SAY_EVERY_S = 10.0
_SENDER_END_S = 30.0
# What admission has counted tells of what a merge of chunks may have made one again.
_POINTS = """
select (select coalesce(sum(points), 0)::int8 from tracklog_admission.run) as admitted,
    (select coalesce(sum(points), 0)::int8 from tracklog_view.chunk) as stored
"""


class _Trainer(msgspec.Struct):
    run_id: str
    took_ns: list[int]
    delivered: bool


class _Told(msgspec.Struct):
    trainers: list[_Trainer]
    cpu_s: float

    def quantile_us(self, share: float) -> float:
        """What this share of all calls did not exceed."""
        ordered = sorted(took for trainer in self.trainers for took in trainer.took_ns)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000

    @property
    def points(self) -> int:
        """How many were logged."""
        return sum(len(trainer.took_ns) for trainer in self.trainers) * len(trainers.KEYS)


def crowd(name: ServerName, settings: Settings) -> Outcome:
    """Few trainers alone, then all of them with the readers."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server, _Spool(server, settings) as spool:
        few = spool.train(_FEW, _FEW_S_SHARE * settings.crowd_s)
        cpu_before_s = time.process_time()
        with _Readers(server.port, settings.crowd_readers) as readers:
            started = time.perf_counter()
            many = spool.train(settings.crowd_trainers, settings.crowd_s)
            elapsed_s = time.perf_counter() - started
        readers_cpu_s = time.process_time() - cpu_before_s
        sender_cpu_s, server_cpu_s = spool.sender_cpu_s(), processor_s(server.leader_pids)
        _check(server, [*few.trainers, *many.trainers], few.points + many.points)
    outcome.add(figures.CROWD_RATE, many.points / elapsed_s)
    outcome.add(figures.CROWD_FEW_P50, few.quantile_us(0.5))
    outcome.add(figures.CROWD_P50, many.quantile_us(0.5))
    outcome.add(figures.CROWD_FEW_P99, few.quantile_us(0.99))
    outcome.add(figures.CROWD_P99, many.quantile_us(0.99))
    outcome.add(figures.CROWD_P99_CHANGE, many.quantile_us(0.99) / few.quantile_us(0.99))
    for figure, took_ms in (
        (figures.CROWD_HISTORY_P99, readers.histories_ms),
        (figures.CROWD_SEARCH_P99, readers.searches_ms),
    ):
        outcome.add(figure, sorted(took_ms)[int(0.99 * len(took_ms))])
    outcome.notes["crowd"] = {
        "points": many.points,
        "elapsed_s": elapsed_s,
        "trainers_cpu_share": many.cpu_s / elapsed_s,
        "readers_cpu_share": readers_cpu_s / elapsed_s,
        # Of their whole lives, which are little longer.
        "sender_cpu_share": sender_cpu_s / elapsed_s,
        "server_cpu_share": server_cpu_s / elapsed_s,
        "histories_ms": readers.histories_ms,
        "searches_ms": readers.searches_ms,
    }
    outcome.generator_cpu.append((many.cpu_s + readers_cpu_s) / elapsed_s)
    return outcome


class _Spool:
    """One machine's spool directory, and the sender that its trainers share; neither is left behind."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._directory = tempfile.TemporaryDirectory(prefix="tracklog-bench-", dir=settings.base_dir)
        self._path = Path(self._directory.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self._senders():
            sender.terminate()
        psutil.wait_procs(self._senders(), timeout=_SENDER_END_S)
        self._directory.cleanup()

    def train(self, count: int, seconds: float) -> _Told:
        """Let so many trainers log for so long."""
        say(f"crowd: {count} trainers for {seconds:.0f} s")
        with tempfile.TemporaryDirectory(dir=self._path) as directory:
            done = subprocess.run(
                [sys.executable, trainers.__file__, self._server.url, directory, str(count), str(seconds)],
                env={**environment(self._path), "TRACKLOG_SPOOL_DIR": str(self._path / "spool")},
                capture_output=True,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"the trainers failed: {done.stderr.decode()[-3000:]}")
        return msgspec.json.decode(done.stdout, type=_Told)

    def sender_cpu_s(self) -> float:
        """Processor time of the senders that still live."""
        return sum(sum(sender.cpu_times()[:2]) for sender in self._senders())

    def _senders(self) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self._path) in argument for argument in process.info["cmdline"] or ())
        ]


@dataclass
class _Readers:
    """Readers that each look once a second while open, by turns at a run's history and at a search."""

    port: int
    count: int
    histories_ms: list[float] = field(default_factory=list)
    searches_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        with Api(self.port) as api:
            experiment = msgspec.json.decode(api.get("experiments/get-by-name", {"experiment_name": "crowd"}))
        self._experiment_id = experiment["experiment"]["experiment_id"]
        self._threads = [
            threading.Thread(target=self._read, args=(number,), name=f"reader-{number}")
            for number in range(self.count)
        ]
        for thread in [*self._threads, threading.Thread(target=self._tell, name="reader-progress")]:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise RuntimeError(f"{len(self.failures)} readers failed: {self.failures[0]}")

    def _read(self, number: int) -> None:
        chance = random.Random(number)
        run_ids: list[str] = []
        fields = {
            "experiment_ids": [self._experiment_id],
            "filter": "metrics.loss < 1000 and attributes.status = 'RUNNING'",
            "order_by": ["metrics.accuracy DESC"],
            "max_results": 100,
        }
        self._stop.wait(number * _POLL_S / self.count)
        try:
            with Api(self.port) as api:
                for turn in itertools.count(number):
                    if turn % 2 and run_ids:
                        which = (chance.choice(run_ids), chance.choice(trainers.KEYS), HISTORY_PAGE)
                        _timed(partial(api.history_points, *which), self.histories_ms)
                    else:
                        page = _timed(partial(api.post, "runs/search", fields), self.searches_ms)
                        run_ids = [run["info"]["run_id"] for run in msgspec.json.decode(page).get("runs", ())]
                    if self._stop.wait(_POLL_S):
                        return
        except Exception as error:
            self.failures.append(repr(error))

    def _tell(self) -> None:
        while not self._stop.wait(_SAY_EVERY_S):
            slowest = max([*self.histories_ms, *self.searches_ms], default=0.0)
            reads = len(self.histories_ms) + len(self.searches_ms)
            say(f"crowd: {reads:,} reads, the slowest took {slowest:,.0f} ms")


def _timed(read: Callable[[], Any], took_ms: list[float]) -> Any:
    before = time.perf_counter()
    answer = read()
    took_ms.append(1000 * (time.perf_counter() - before))
    return answer


def _check(server: Server, of: Sequence[_Trainer], points: int) -> None:
    """Every point is there, once."""
    assert server.dsn
    late = [trainer.run_id for trainer in of if not trainer.delivered]
    if late:
        raise RuntimeError(f"{len(late)} runs were not delivered in time: {late[:5]}")
    say("crowd: reading back")
    with Api(server.port) as api:
        for trainer in of:
            for key in trainers.KEYS:
                found = api.history_points(trainer.run_id, key, HISTORY_PAGE)
                if found != len(trainer.took_ns):
                    raise RuntimeError(
                        f"{trainer.run_id} logged {len(trainer.took_ns)} of {key}, {found} are read"
                    )
    [counted] = fetch(server.dsn, _POINTS)
    if (counted["admitted"], counted["stored"]) != (points, points):
        raise RuntimeError(f"{points} points were logged; they are {counted}")
