"""MLflow's own tracking server, run as its users run it, on a directory that is gone afterwards."""

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.server import clean_environment

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
# In memory where there is such a directory: its SQLite waits for the disk at every commit.
HOME_PARENT = "/dev/shm" if Path("/dev/shm").is_dir() else None


@contextlib.contextmanager
def running_mlflow() -> Iterator[str]:
    """The URL of a new server with one worker on SQLite, stopped on leaving.

    It also ends with this process, however that ends: `tests.support.tied` sees to it.
    """
    home = Path(tempfile.mkdtemp(prefix="mlflow-test-", dir=HOME_PARENT))
    port = _free_port()
    command = [
        sys.executable, "-m", "tests.support.tied",
        str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}",
        "--artifacts-destination", str(home / "artifacts"),
    ]  # fmt: skip
    environment = clean_environment() | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its job runner is no part of tracking, and costs a process for each kind of job.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    try:
        with (
            (home / "output").open("wb") as output,
            subprocess.Popen(
                command, cwd=home, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment
            ) as process,
        ):
            try:
                _wait_until_ready(process, port, home / "output")
                yield f"http://127.0.0.1:{port}"
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(STOP_TIMEOUT_S)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(port):
        assert process.poll() is None, f"MLflow's server ended:\n{output.read_text()}"
        assert time.monotonic() < deadline, f"MLflow's server was not ready in time:\n{output.read_text()}"
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
