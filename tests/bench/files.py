"""Measures of artifacts: many small files, one large file straight to a store, and one through the server."""

import http.client
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import tracklog
from tests.bench import figures
from tests.bench.figures import Outcome
from tests.bench.peers import ServerName
from tests.bench.processes import MIB, MemoryWatch, memory
from tests.bench.progress import say
from tests.bench.servers import Server, fresh
from tests.bench.settings import Settings
from tests.bench.wire import Api
from tests.support.server import running_server
from tests.support.spools import temporary_spool
from tests.support.swift import running_swift

SMALL_BYTES: Final = 10 * 1024
# Before memory is looked at, so that what the first upload loads is not counted.
WARM_BYTES: Final = 64 * MIB
DELIVERY_TIMEOUT_S: Final = 600.0


def small_files(name: ServerName, settings: Settings) -> Outcome:
    """A directory of small files, logged by MLflow's client, and for tracklog by its own too."""
    outcome = Outcome()
    with _directory(settings) as directory, fresh(name, settings.base_dir) as server, Api(server.port) as api:
        for number in range(settings.small_files):
            (directory / f"{number:06}.bin").write_bytes(os.urandom(SMALL_BYTES))
        for _ in range(settings.repetitions):
            run_id = api.create_run(api.create_experiment(f"files {time.monotonic_ns()}"))
            elapsed_s = _timed(lambda run_id=run_id: _log_by_mlflow(server, run_id, directory))
            _add(outcome, figures.SMALL_FILES, settings.small_files / elapsed_s, name)
            if name == "tracklog":
                elapsed_s = _timed(lambda run_id=run_id: _log_by_tracklog(server.url, run_id, directory, "d"))
                _add(outcome, figures.SMALL_FILES_NATIVE, settings.small_files / elapsed_s, name)
    return outcome


def large_file(name: ServerName, settings: Settings) -> Outcome:
    """A large file to an S3 store and back by tracklog's client, and the same by boto3's transfer manager."""
    outcome = Outcome()
    size = settings.large_file_bytes
    with _directory(settings) as directory, running_swift() as swift:
        file = directory / "large.bin"
        _fill(file, size)
        root = ("--artifact-root", f"s3://{swift.bucket}/bench", "--artifact-endpoint", swift.endpoint)
        with running_server(None, *root, environment=swift.environment()) as server:
            with Api(int(server.url.rpartition(":")[2])) as api:
                run_id = api.create_run(api.create_experiment("large"))
            down = directory / "down"
            for number in range(settings.repetitions):
                key = f"by boto3/{number}"
                up_s = _timed(lambda key=key: swift.client.upload_file(str(file), swift.bucket, key))
                down_s = _timed(lambda key=key: swift.client.download_file(swift.bucket, key, str(down)))
                down.unlink()
                folder = str(number)
                ours_up_s = _timed(lambda to=folder: _log_by_tracklog(server.url, run_id, file, to))
                with tracklog.resume(run_id, server.url) as run:
                    ours_down_s = _timed(lambda at=folder: run.download(f"{at}/{file.name}", directory))
                rates = {"boto3 up": up_s, "boto3 down": down_s, "up": ours_up_s, "down": ours_down_s}
                outcome.notes.setdefault("MiB/s", []).append({k: size / MIB / s for k, s in rates.items()})
                _add(outcome, figures.LARGE_UP, up_s / ours_up_s, name)
                _add(outcome, figures.LARGE_DOWN, down_s / ours_down_s, name)
                (directory / folder / file.name).unlink()
    return outcome


def through_the_server(name: ServerName, settings: Settings) -> Outcome:
    """One PUT of a file larger than the server's memory should be: its speed, and what memory grows by."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server, Api(server.port) as api:
        run_id = api.create_run(experiment_id := api.create_experiment("through"))
        path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/{run_id}/artifacts"
        _put(server, f"{path}/warm", WARM_BYTES)
        before = memory(server.leader_pids)
        with MemoryWatch(server.leader_pids) as watch:
            elapsed_s = _timed(lambda: _put(server, f"{path}/big", settings.proxied_bytes))
        # A fast server may be done before anybody has looked.
        peak = max(sample.pss for sample in (*watch.samples, memory(server.leader_pids)))
    _add(outcome, figures.PROXIED, settings.proxied_bytes / MIB / elapsed_s, name)
    _add(outcome, figures.PROXIED_MEMORY, (peak - before.pss) / MIB, name)
    return outcome


def _add(outcome: Outcome, figure: figures.Figure, value: float, name: ServerName) -> None:
    outcome.add(figure, value)
    say(f"{name}: {figure.name.strip()}: {value:,.2f} {figure.unit}")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _log_by_mlflow(server: Server, run_id: str, directory: Path) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds, for those who measure this

    MlflowClient(server.url).log_artifacts(run_id, str(directory))


def _log_by_tracklog(url: str, run_id: str, path: Path, folder: str) -> None:
    """Log a file or a directory, and wait until all of it is with the server."""
    with tracklog.resume(run_id, url) as run:
        log = run.log_artifacts if path.is_dir() else run.log_artifact
        log(path, folder, copy=False)
        if not run.flush(DELIVERY_TIMEOUT_S):
            raise TimeoutError("the files were not delivered in time")


def _put(server: Server, path: str, size: int) -> None:
    block = os.urandom(MIB)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DELIVERY_TIMEOUT_S)
    try:
        connection.putrequest("PUT", path)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for _ in range(size // MIB):
            connection.send(block)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.read(1000)!r}")
        answer.read()
    finally:
        connection.close()


def _fill(file: Path, size: int) -> None:
    with file.open("wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))


@contextmanager
def _directory(settings: Settings) -> Iterator[Path]:
    """A directory for files, and a spool for what tracklog's client logs, both gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="tracklog-bench-", dir=settings.base_dir) as directory,
        temporary_spool() as spool,
    ):
        before = os.environ.get("TRACKLOG_SPOOL_DIR")
        os.environ["TRACKLOG_SPOOL_DIR"] = str(spool)
        try:
            yield Path(directory)
        finally:
            if before is None:
                del os.environ["TRACKLOG_SPOOL_DIR"]
            else:
                os.environ["TRACKLOG_SPOOL_DIR"] = before
