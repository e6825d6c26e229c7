"""What is measured: each figure's name, unit and target, and what a measure gives back."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `times`: the target, how many times better than MLflow tracklog must be. `at_most`: the target as a limit
    on tracklog's own number, in `unit`. Neither: shown without a target.
    """

    name: str
    unit: str
    better: Literal["more", "less"] = "less"
    times: float | None = None
    at_most: float | None = None


LOG_BATCH_WIDE = Figure("log-batch, 10 keys x 100 steps", "points/s", "more", times=20)
LOG_BATCH_LONG = Figure("log-batch, 1 key x 1,000 steps", "points/s", "more", times=20)
LOG_METRIC = Figure("log-metric, single calls", "calls/s", "more", times=20)
LOG_METRIC_P50 = Figure("log-metric, latency p50", "ms")
LOG_METRIC_P99 = Figure("log-metric, latency p99", "ms")
WHOLE_RUNS = Figure("whole runs: create, log, finish", "runs/s", "more", times=10)
SEARCH_FILTERED = Figure("search, filtered and ordered, 100 runs", "ms", times=10)
SEARCH_NEWEST = Figure("search, newest 1,000 runs", "ms")
SEARCH_ALL = Figure("search, all pages of all runs", "s", times=10)
HISTORY = Figure("history of 100,000 points", "s", times=10)
START_NEW = Figure("start, new data directory", "s", at_most=5)
START_OLD = Figure("start, existing data directory", "s", at_most=3)
MEMORY_IDLE = Figure("memory idle (PSS)", "MiB", at_most=250)
MEMORY_LOAD = Figure("memory under log-batch load (PSS, peak)", "MiB", at_most=500)
MEMORY_IDLE_RSS = Figure("memory idle (sum of RSS)", "MiB")
MEMORY_LOAD_RSS = Figure("memory under log-batch load (sum of RSS)", "MiB")
DISK_TRAINING = Figure("disk, series as training logs them", "bytes/point", at_most=12)
DISK_NOISE = Figure("disk, full-noise float64", "bytes/point", at_most=20)
ENDURANCE_WORKER = Figure("ingest memory, from 10 % of the points on", "% change", at_most=10)
ENDURANCE_OTHERS = Figure("memory of its other processes, likewise", "% change")
ENDURANCE_RATE = Figure("log-batch, sustained to the last point", "points/s", "more")


@dataclass
class Outcome:
    """One measure on one server: every sample of its figures, and what else is worth keeping in the JSON.

    `must_match`: facts about the answers that have to be equal on both servers.
    """

    samples: dict[Figure, list[float]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    must_match: dict[str, Any] = field(default_factory=dict)

    def add(self, figure: Figure, value: float) -> None:
        """One more sample of `figure`."""
        self.samples.setdefault(figure, []).append(value)
