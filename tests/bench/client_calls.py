"""Measures of clients: what a training loop pays for a call that logs, and how many calls it can make."""

import importlib.metadata
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.bench import figures, log_calls
from tests.bench.figures import Figure, Outcome
from tests.bench.peers import WANDB, Contestant, program
from tests.bench.progress import say
from tests.bench.servers import environment, fresh
from tests.bench.settings import HISTORY_PAGE, Settings
from tests.bench.wire import Api

# As the client comes, whatever is installed beside it.
STOCK = {"TRACKLOG_MLFLOW_PLUGIN": "0"}
_SECONDS_MAX = 120.0
_TIMEOUT_S = 150.0


class _Told(msgspec.Struct):
    samples_ns: list[int]
    run_id: str
    grown_bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class Loop:
    """A library of log_calls.py, the figures of its calls, and of its whole loop where that is measured."""

    library: str
    p50: Figure | None = None
    p99: Figure | None = None
    rate: Figure | None = None
    with_plugin: bool = False
    waits: bool = False
    queues: bool = False

    def calls(self, settings: Settings) -> int:
        """How many calls to make, at most."""
        return settings.client_calls_queued if self.queues else settings.client_calls

    def seconds(self, settings: Settings) -> float:
        """How long to go on with them."""
        return settings.client_seconds if self.waits else _SECONDS_MAX


_CALLS = Loop("mlflow_metrics", figures.CALL_P50, figures.CALL_P99, waits=True)
_ASYNC = Loop("mlflow_async", figures.ASYNC_P50, figures.ASYNC_P99, queues=True)
_LOOP = Loop("mlflow_metric", rate=figures.LOOP, waits=True)
_PLUGIN_CALLS = Loop("mlflow_metrics", figures.PLUGIN_P50, figures.PLUGIN_P99, with_plugin=True)
_PLUGIN_LOOP = Loop("mlflow_metric", rate=figures.PLUGIN_LOOP, with_plugin=True)
_TRACKLOG = Loop("tracklog", figures.LOG_P50, figures.LOG_P99)
_TRACKLOG_OFFLINE = Loop("tracklog_offline", figures.OFFLINE_P50, figures.OFFLINE_P99)
_WANDB = Loop("wandb", figures.OFFLINE_P50, figures.OFFLINE_P99)

LOOPS: dict[Contestant, tuple[Loop, ...]] = {
    "mlflow": (_CALLS, _ASYNC, _LOOP),
    "fasttrackml-sqlite": (_CALLS, _ASYNC, _LOOP),
    "fasttrackml-postgres": (_CALLS, _ASYNC, _LOOP),
    "tracklog": (_CALLS, _ASYNC, _LOOP, _PLUGIN_CALLS, _PLUGIN_LOOP, _TRACKLOG, _TRACKLOG_OFFLINE),
}


def client_calls(name: Contestant, settings: Settings) -> Outcome:
    """Each library's loop, several times, in a process of its own each time."""
    outcome = Outcome()
    if name == "wandb":
        _repeat(_WANDB, program(WANDB, "python"), None, settings, outcome)
        return outcome
    with fresh(name, settings.base_dir) as server:
        for loop in LOOPS[name]:
            say(f"{name}: a loop of {loop.library}{', with the plugin' if loop.with_plugin else ''}")
            if loop.with_plugin and not plugin_is_installed():
                say(f"the plugin is not installed beside {sys.executable}, so it is not measured")
                continue
            concerned = filter(None, (loop.p50, loop.p99, loop.rate))
            with outcome.telling_failures(name, *concerned):
                _repeat(loop, Path(sys.executable), server.port, settings, outcome)
    return outcome


def plugin_is_installed() -> bool:
    """Does MLflow find tracklog's tracking store in this Python."""
    stores = importlib.metadata.entry_points(group="mlflow.tracking_store")
    return any(store.value.startswith("tracklog.") for store in stores)


def _repeat(loop: Loop, python: Path, port: int | None, settings: Settings, outcome: Outcome) -> None:
    for _ in range(settings.repetitions):
        told = _run(loop, python, port, settings)
        ordered_us = sorted(sample / 1000 for sample in told.samples_ns)
        if loop.p50 and loop.p99:
            outcome.add(loop.p50, statistics.median(ordered_us))
            outcome.add(loop.p99, ordered_us[int(0.99 * len(ordered_us))])
        outcome.notes.setdefault(loop.library, []).append(
            {
                "calls": len(ordered_us),
                "p99.9_us": ordered_us[int(0.999 * len(ordered_us))],
                "max_us": ordered_us[-1],
                "memory_grown_bytes": told.grown_bytes,
                "with_plugin": loop.with_plugin,
            }
        )
        if port is not None and loop is not _TRACKLOG_OFFLINE:
            read_s = _check_readable(port, told)
            if loop.rate:
                outcome.add(loop.rate, len(told.samples_ns) / (told.elapsed_s + read_s))
    for figure in filter(None, (loop.p50, loop.p99, loop.rate)):
        say(f"{figure.name}: {statistics.median(outcome.samples[figure]):,.1f} {figure.unit}")


def _run(loop: Loop, python: Path, port: int | None, settings: Settings) -> _Told:
    with tempfile.TemporaryDirectory(prefix="tracklog-bench-", dir=settings.base_dir) as directory:
        url = f"http://127.0.0.1:{port}" if port is not None else ""
        bounds = [str(loop.calls(settings)), str(loop.seconds(settings))]
        done = subprocess.run(
            [python, log_calls.__file__, loop.library, url, directory, *bounds],
            env=_environment(loop, Path(directory)),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the loop of {loop.library} failed: {done.stderr.decode()[-3000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Told)


def _environment(loop: Loop, directory: Path) -> dict[str, str]:
    """Nothing is left behind outside of `directory`, and nobody is called but the server."""
    wandb = dict.fromkeys(
        ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"), str(directory)
    )
    return {
        **environment(directory),
        **wandb,
        "WANDB_ERROR_REPORTING": "false",
        "TRACKLOG_SPOOL_DIR": str(directory / "spool"),
        **({} if loop.with_plugin else STOCK),
    }


def _check_readable(port: int, told: _Told) -> float:
    """The seconds until every call's value was read back."""
    expected = len(told.samples_ns) + log_calls.WARM_UP_CALLS
    started = time.perf_counter()
    with Api(port) as api:
        points = api.history_points(told.run_id, "loss", HISTORY_PAGE)
    if points != expected:
        raise RuntimeError(f"{expected} values were logged, {points} can be read")
    return time.perf_counter() - started
