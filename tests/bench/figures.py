"""What is measured: each figure's name, unit and target, and what a measure gives back."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.bench.load import Load
from tests.bench.progress import say

_WORDS_MAX: Final = 200


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Targets are of tracklog's number: `times`, how many times better than MLflow's it must be; `at_least` and
    `at_most`, limits in `unit`. `base`: for what MLflow cannot do, the figure whose number of MLflow's is
    compared with.
    """

    name: str
    unit: str
    better: Literal["more", "less"] = "less"
    times: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    base: "Figure | None" = None


LOG_BATCH_WIDE = Figure("log-batch, 10 keys x 100 steps", "points/s", "more", times=20, at_least=600_000)
LOG_BATCH_LONG = Figure("log-batch, 1 key x 1,000 steps", "points/s", "more", times=20, at_least=600_000)
NATIVE = Figure(
    "native, 10 keys x 1,000 steps, sustained", "points/s", "more", at_least=3_000_000, base=LOG_BATCH_WIDE
)
NATIVE_LAG = Figure("  views behind the log, at most", "s", at_most=2)
THIN = Figure(
    "native, 1,000 runs x 100 keys x 1 step, 100 runs a request", "points/s", "more",
    at_least=200_000, base=LOG_BATCH_WIDE,
)  # fmt: skip
THIN_LAG = Figure("  views behind the log, at most (100 runs a request)", "s", at_most=2)
THINNEST = Figure("native, the same, 1 run a request", "points/s", "more", base=LOG_BATCH_WIDE)
THINNEST_LAG = Figure("  views behind the log, at most (1 run a request)", "s", at_most=2)
LOG_METRIC = Figure("log-metric, single calls", "calls/s", "more", times=20, at_least=4_500)
LOG_METRIC_P50 = Figure("log-metric, latency p50", "ms")
LOG_METRIC_P99 = Figure("log-metric, latency p99", "ms", at_most=10)
WHOLE_RUNS = Figure("whole runs: create, log, finish", "runs/s", "more", times=10)
NATIVE_RUNS = Figure("whole runs, native, 100 runs a request", "runs/s", "more", base=WHOLE_RUNS)
HISTORY = Figure("history of 100,000 points", "s", times=10)
START_NEW = Figure("start, new data directory", "s", at_most=5)
START_OLD = Figure("start, existing data directory", "s", at_most=3)
MEMORY_IDLE = Figure("memory idle (PSS)", "MiB", at_most=250)
MEMORY_LOAD = Figure("memory under log-batch load (PSS, peak)", "MiB", at_most=500)
MEMORY_IDLE_RSS = Figure("memory idle (sum of RSS)", "MiB")
MEMORY_LOAD_RSS = Figure("memory under log-batch load (sum of RSS)", "MiB")
DISK_TRAINING = Figure("disk, series as training logs them", "bytes/point", at_most=12)
DISK_NOISE = Figure("disk, full-noise float64", "bytes/point", at_most=20)
CALL_P50 = Figure("mlflow.log_metrics of 5 values, p50", "us")
CALL_P99 = Figure("mlflow.log_metrics of 5 values, p99", "us")
ASYNC_P50 = Figure("mlflow.log_metrics, synchronous=False, p50", "us")
ASYNC_P99 = Figure("mlflow.log_metrics, synchronous=False, p99", "us")
PLUGIN_P50 = Figure("mlflow.log_metrics with the plugin, p50", "us", base=CALL_P50)
PLUGIN_P99 = Figure("mlflow.log_metrics with the plugin, p99", "us", base=CALL_P99)
LOG_P50 = Figure("run.log of 5 values, tracklog's client, p50", "us", at_most=15, base=CALL_P50)
LOG_P99 = Figure("run.log of 5 values, tracklog's client, p99", "us", at_most=60, base=CALL_P99)
OFFLINE_P50 = Figure("run.log of 5 values, offline, p50", "us", at_most=15, base=CALL_P50)
OFFLINE_P99 = Figure("run.log of 5 values, offline, p99", "us", at_most=60, base=CALL_P99)
LOOP = Figure("loop of mlflow.log_metric, until all is readable", "calls/s", "more")
PLUGIN_LOOP = Figure("loop of mlflow.log_metric with the plugin", "calls/s", "more", times=50, base=LOOP)
SMALL_FILES = Figure("many files of 10 KiB, by MLflow's client", "files/s", "more")
SMALL_FILES_NATIVE = Figure(
    "many files of 10 KiB, by tracklog's client", "files/s", "more", times=5, base=SMALL_FILES
)
LARGE_UP = Figure("a large file up, against boto3 on the same store", "times", "more", at_least=0.8)
LARGE_DOWN = Figure("a large file down, likewise", "times", "more", at_least=0.8)
PROXIED = Figure("a large file through the server, up", "MiB/s", "more")
PROXIED_MEMORY = Figure("  its memory grows meanwhile (PSS), by", "MiB", at_most=64)
ENDURANCE_WORKER = Figure("ingest memory, from 10 % of the points on", "% change", at_most=10)
ENDURANCE_OTHERS = Figure("memory of its other processes, likewise", "% change")
ENDURANCE_RATE = Figure("log-batch, sustained to the last point", "points/s", "more")
CROWD_RATE = Figure("crowd: points of all trainers, delivered", "points/s", "more")
CROWD_FEW_P50 = Figure("crowd: a log call of few trainers, p50", "us")
CROWD_P50 = Figure("crowd: a log call of all trainers, p50", "us")
CROWD_FEW_P99 = Figure("crowd: a log call of few trainers, p99", "us")
CROWD_P99 = Figure("crowd: a log call of all trainers, p99", "us")
CROWD_P99_CHANGE = Figure("crowd: p99 of all trainers' calls against that of few", "times", at_most=1.5)
CROWD_HISTORY_P99 = Figure("crowd: histories meanwhile, p99", "ms", at_most=250)
CROWD_SEARCH_P99 = Figure("crowd: searches meanwhile, p99", "ms", at_most=250)


@dataclass(frozen=True)
class SearchFigures:
    """The figures of searches among a number of runs."""

    filtered: Figure
    newest: Figure
    everything: Figure

    @classmethod
    def of(cls, runs: int) -> "SearchFigures":
        """Those of an experiment of so many runs."""
        return cls(
            Figure(f"search {runs:,} runs, filtered and ordered, 100", "ms", times=10),
            Figure(f"search {runs:,} runs, newest 1,000", "ms"),
            Figure(f"search {runs:,} runs, all pages", "s", times=10),
        )


@dataclass
class Outcome:
    """One measure of one contestant: every sample of its figures, and what else is worth keeping in the JSON.

    `remarks`: what a reader of the table must know about a figure; `fails`: what a peer could not do, and
    how that showed. `must_match`: facts about the answers that
    have to be equal to MLflow's. `generator_cpu`: the shares of one core that generating the load took.
    """

    samples: dict[Figure, list[float]] = field(default_factory=dict)
    remarks: dict[Figure, str] = field(default_factory=dict)
    fails: dict[Figure, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    must_match: dict[str, Any] = field(default_factory=dict)
    generator_cpu: list[float] = field(default_factory=list)

    def add(self, figure: Figure, value: float) -> None:
        """One more sample of `figure`."""
        self.samples.setdefault(figure, []).append(value)

    @contextmanager
    def telling_failures(self, name: str, *concerned: Figure) -> Iterator[None]:
        """Do what these figures need; where a peer fails at it, that is told in their place.

        Raises: whatever tracklog fails with.
        """
        try:
            yield
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            if name == "tracklog":
                raise
            words = f"{name} fails: {error}"[:_WORDS_MAX]
            say(words)
            for figure in concerned:
                self.samples.pop(figure, None)
                self.fails[figure] = words

    def note_load(self, figure: Figure, load: Load, **more: Any) -> None:
        """Keep what else there is to know about a load, above all whether its generator was in the way."""
        share = load.generator_cpu_s / load.elapsed_s
        notes = {
            "requests": len(load.latencies_s),
            "elapsed_s": load.elapsed_s,
            "refused": load.refused,
            "latency_p50_ms": load.latency_ms(0.5),
            "latency_p99_ms": load.latency_ms(0.99),
            "generator_cpu_share": share,
            **more,
        }
        self.notes.setdefault(figure.name, []).append(notes)
        self.generator_cpu.append(share)
