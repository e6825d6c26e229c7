"""`python -m tests.bench.client_cost`: what a training loop pays for one call that logs five values.

Each library runs in a process of its own: tracklog, MLflow's client (synchronous and asynchronous, against
a tracklog server on this machine) and, where it is installed, wandb offline.
"""

import argparse
import datetime as dt
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.machine import describe
from tests.support.server import clean_environment, running_server

RESULTS_DIR = Path("bench-results")
MEDIAN_US_MAX = 15.0
P99_US_MAX = 60.0

# Around each library's `begin`, `log` and `end`: the loop that is measured.
LOOP = """
import json, os, sys, time
calls, url, directory = int(sys.argv[1]), sys.argv[2], sys.argv[3]
os.chdir(directory)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

{library}
values = {{"loss": 0.5, "accuracy": 0.25, "lr": 1e-3, "grad_norm": 1.5, "epoch": 1.0}}
for step in range(100):
    log(values, step)
before, samples = resident(), []
for step in range(100, 100 + calls):
    values["loss"] = 1 / step
    began = time.perf_counter_ns()
    log(values, step)
    samples.append(time.perf_counter_ns() - began)
    if step % 100 == 0:
        # A training step, so that whatever works in the background gets its turn.
        time.sleep(0.001)
grown = resident() - before
end()
print(json.dumps([samples, grown]))
"""

TRACKLOG = """
import tracklog
run = tracklog.init(url)
log, end = run.log, run.finish
"""
TRACKLOG_OFFLINE = TRACKLOG.replace("url", 'mode="offline"')
MLFLOW = """
import mlflow
mlflow.set_tracking_uri(url)
mlflow.start_run()
log, end = mlflow.log_metrics, mlflow.end_run
"""
MLFLOW_ASYNC = """
import mlflow
mlflow.set_tracking_uri(url)
mlflow.start_run()
def log(values, step):
    mlflow.log_metrics(values, step, synchronous=False)
end = mlflow.end_run
"""
WANDB = """
import wandb
run = wandb.init(project="bench", mode="offline", dir=directory, settings=wandb.Settings(silent=True))
log, end = run.log, run.finish
"""


@dataclass(frozen=True)
class Library:
    """A way to log, and how many calls tell what it costs."""

    name: str
    code: str
    calls: int


LIBRARIES = (
    Library("tracklog", TRACKLOG, 100_000),
    Library("tracklog offline", TRACKLOG_OFFLINE, 100_000),
    Library("mlflow, synchronous", MLFLOW, 300),
    Library("mlflow, asynchronous", MLFLOW_ASYNC, 3_000),
    Library("wandb offline", WANDB, 20_000),
)


@dataclass(frozen=True)
class Cost:
    """What a call cost, in microseconds, and by how much the process grew in the loop."""

    name: str
    median_us: float
    p99_us: float
    p999_us: float
    max_us: float
    grown_bytes: int


def measure(library: Library, url: str, calls: int) -> Cost:
    """Run a library's loop in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                LOOP.format(library=textwrap.dedent(library.code)),
                str(calls),
                url,
                directory,
            ],
            env={**clean_environment(), "TRACKLOG_SPOOL_DIR": str(Path(directory, "spool"))},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{library.name}: {done.stderr[-2000:]}")
    samples, grown_bytes = json.loads(done.stdout.splitlines()[-1])
    samples.sort()
    at = {
        share: samples[min(len(samples) - 1, int(share * len(samples)))] / 1000
        for share in (0.5, 0.99, 0.999)
    }
    return Cost(library.name, at[0.5], at[0.99], at[0.999], samples[-1] / 1000, grown_bytes)


def table(costs: Sequence[Cost]) -> str:
    """The costs as the README has them."""
    lines = [
        "| one call, five values | median µs | p99 µs | p99.9 µs | memory grown, MiB |",
        "|---|---|---|---|---|",
    ]
    for cost in costs:
        figures = (cost.median_us, cost.p99_us, cost.p999_us)
        row = " | ".join(f"{figure:,.1f}" for figure in figures)
        lines.append(f"| {cost.name} | {row} | {cost.grown_bytes / 2**20:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, keep as JSON.

    Returns: 0 when tracklog keeps to its bounds, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench.client_cost", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    quick = parser.parse_args().quick
    costs = []
    with running_server() as server:
        for library in LIBRARIES:
            if library.name.startswith("wandb") and importlib.util.find_spec("wandb") is None:
                print("wandb is not installed: pip install wandb to have it measured")
                continue
            calls = max(100, library.calls // (10 if quick else 1))
            costs.append(measure(library, server.url, calls))
    print(table(costs))
    RESULTS_DIR.mkdir(exist_ok=True)
    path = RESULTS_DIR / f"client-cost-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    told: dict[str, Any] = {
        "machine": describe(Path(tempfile.gettempdir())),
        "load_average": os.getloadavg(),
        "costs": [vars(cost) for cost in costs],
    }
    path.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if costs[0].median_us <= MEDIAN_US_MAX and costs[0].p99_us <= P99_US_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
