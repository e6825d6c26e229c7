"""A training loop that times its calls, in a process and a Python of its own; it needs only what it measures.

`log_calls.py LIBRARY URL DIRECTORY CALLS SECONDS` makes so many calls, or as many as there is time for, and
prints as JSON what each took in nanoseconds, the run's id, by how many bytes the process grew meanwhile, and
the seconds from the first call until `end` has returned.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP_CALLS = 20
CALLS_PER_TRAINING_STEP = 100
TRAINING_STEP_S = 0.001

Log = Callable[[dict[str, float], int], object]
# How to log, how to end the run, and the run's id.
Library = tuple[Log, Callable[[], object], str]


def mlflow_run(url: str) -> tuple[Any, str]:
    """MLflow's fluent client, and the id of a run that it has begun."""
    import mlflow  # noqa: PLC0415  # only what is measured

    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("client")
    return mlflow, mlflow.start_run().info.run_id


def mlflow_metrics(url: str) -> Library:
    """Five values a call; each call waits for the server."""
    mlflow, run_id = mlflow_run(url)
    return lambda values, step: mlflow.log_metrics(values, step=step), mlflow.end_run, run_id


def mlflow_async(url: str) -> Library:
    """Five values a call, which MLflow's own threads send."""
    mlflow, run_id = mlflow_run(url)
    return (
        lambda values, step: mlflow.log_metrics(values, step=step, synchronous=False),
        mlflow.end_run,
        run_id,
    )


def mlflow_metric(url: str) -> Library:
    """One value a call."""
    mlflow, run_id = mlflow_run(url)
    return lambda values, step: mlflow.log_metric("loss", values["loss"], step=step), mlflow.end_run, run_id


def tracklog(url: str) -> Library:
    """Five values a call, into the spool."""
    import tracklog  # noqa: PLC0415  # only what is measured

    run = tracklog.init(url, experiment="client")

    def end() -> None:
        run.finish()
        run.flush(60.0)

    return run.log, end, run.id


def tracklog_offline(_: str) -> Library:
    """Five values a call, into the spool for a later sync."""
    import tracklog  # noqa: PLC0415  # only what is measured

    run = tracklog.init(mode="offline", experiment="client")
    return run.log, run.finish, run.id


def wandb(_: str) -> Library:
    """Five values a call, into wandb's file for a later sync."""
    import wandb  # noqa: PLC0415  # only what is measured

    run = wandb.init(project="client", mode="offline", settings=wandb.Settings(silent=True))
    return run.log, run.finish, run.id


def resident_bytes() -> int:
    """What this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(name: str, url: str, directory: str, calls: int, seconds: float) -> None:
    """Call, time and tell."""
    os.chdir(directory)
    libraries = (mlflow_metrics, mlflow_async, mlflow_metric, tracklog, tracklog_offline, wandb)
    library = next(library for library in libraries if library.__name__ == name)
    log, end, run_id = library(url)
    values = {"loss": 0.5, "accuracy": 0.25, "lr": 1e-3, "grad_norm": 1.5, "epoch": 1.0}
    for step in range(WARM_UP_CALLS):
        log(values, step)
    samples: list[int] = []
    before_bytes = resident_bytes()
    started = time.perf_counter()
    for step in range(WARM_UP_CALLS, WARM_UP_CALLS + calls):
        values["loss"] = 1 / step
        began = time.perf_counter_ns()
        log(values, step)
        ended = time.perf_counter_ns()
        samples.append(ended - began)
        if ended / 1e9 - started > seconds:
            break
        if step % CALLS_PER_TRAINING_STEP == 0:
            # What works in the background gets its turn, as it does while a model is trained.
            time.sleep(TRAINING_STEP_S)
    grown_bytes = resident_bytes() - before_bytes
    end()
    elapsed_s = time.perf_counter() - started
    told = {"samples_ns": samples, "run_id": run_id, "grown_bytes": grown_bytes, "elapsed_s": elapsed_s}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
