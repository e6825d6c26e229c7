"""Starting and stopping the servers as their users do, one at a time, each on its own directory."""

import http.client
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil

from tests.bench.peers import FASTTRACKML, ServerName, program
from tests.bench.processes import await_quiet, family
from tests.bench.progress import say
from tests.support.postgres import temporary_cluster
from tracklog_server.embedded import PARAMETERS, socket_dsn

START_TIMEOUT_S = 180.0  # MLflow's takes a minute on a busy machine
STOP_TIMEOUT_S = 20.0
_POLL_S = 0.005
_SETTINGS = ("MLFLOW_", "TRACKLOG_", "FML_", "WANDB_")


@dataclass(frozen=True)
class Server:
    """A server that has answered its first request, `start_s` after its command was given.

    `leader_pids`: its process and, where that is not its child, its database's. `dsn`: its PostgreSQL.
    """

    name: ServerName
    port: int
    leader_pids: tuple[int, ...]
    data_dir: Path
    start_s: float
    dsn: str | None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"


def _command(name: ServerName, port: int, data_dir: Path, dsn: str | None, database: str | None) -> list[str]:
    """The command line, with defaults wherever there are defaults."""
    if name in ("fasttrackml-sqlite", "fasttrackml-postgres"):
        store = ["--database-uri", dsn or f"sqlite://{sqlite_file(name, data_dir)}"]
        listen = ["--listen-address", f"127.0.0.1:{port}"]
        artifacts = ["--default-artifact-root", str(data_dir / "artifacts")]
        return [str(program(FASTTRACKML, "fml")), "server", *listen, *store, *artifacts]
    binary = str(Path(sys.executable).with_name(name))
    listen = ["server", "--host", "127.0.0.1", "--port", str(port)]
    if name == "tracklog":
        given = ["--database-url", database] if database else []
        return [binary, *listen, "--data-dir", str(data_dir), *given]
    store = ["--backend-store-uri", f"sqlite:///{sqlite_file(name, data_dir)}"]
    return [binary, *listen, *store, "--artifacts-destination", str(data_dir / "artifacts")]


def sqlite_file(name: ServerName, data_dir: Path) -> Path:
    """The database of a server that has SQLite."""
    return data_dir / ("mlflow.db" if name == "mlflow" else "fasttrackml.db")


@contextmanager
def data_directory(base_dir: Path) -> Iterator[Path]:
    """A new directory that is gone afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="tracklog-bench-", dir=base_dir))
    # As root, tracklog's PostgreSQL runs as a user who has to get through here.
    parent.chmod(0o755)
    try:
        yield parent / "data"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def running(name: ServerName, data_dir: Path, database: str | None = None) -> Iterator[Server]:
    """The server, running on this directory while the context is open; none of its processes is left behind.

    Args: database: for tracklog, the cluster that it uses instead of its own.
    Raises: RuntimeError, with the end of its output, when it gives no answer within START_TIMEOUT_S;
    MissingPeer.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        dsn = None
        leaders: tuple[int, ...] = ()
        if name == "fasttrackml-postgres":
            # As tracklog's own is set.
            cluster = temporary_cluster(settings=PARAMETERS, parent=data_dir.parent.parent)
            dsn = stack.enter_context(cluster)
            leaders = (_postmaster_pid(dsn),)
        elif database is not None:
            dsn, leaders = database, (_postmaster_pid(database),)
        elif name == "tracklog":
            dsn = socket_dsn(data_dir / "postgres-socket")
        port = _free_port()
        started = time.perf_counter()
        process = stack.enter_context(
            _process(_command(name, port, data_dir, dsn, database), port, data_dir.parent)
        )
        start_s = time.perf_counter() - started
        yield Server(name, port, (process.pid, *leaders), data_dir, start_s, dsn)


@contextmanager
def _process(command: list[str], port: int, directory: Path) -> "Iterator[subprocess.Popen[bytes]]":
    output = directory / "output.txt"
    with output.open("ab") as sink:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        try:
            _await_first_answer(process, port, output)
            yield process
        finally:
            _stop(process)


def _postmaster_pid(dsn: str) -> int:
    """The process id of the cluster that listens where this DSN points to."""
    home = parse_qs(urlsplit(dsn).query)["host"][0]
    return int(Path(home, "data", "postmaster.pid").read_text().splitlines()[0])


@contextmanager
def fresh(name: ServerName, base_dir: Path) -> Iterator[Server]:
    """The server on a new directory, come to rest after its start, so that all of the machine is its own."""
    say(f"{name}: starting")
    with data_directory(base_dir) as data_dir, running(name, data_dir) as server:
        await_quiet(server.leader_pids)
        yield server


def environment(temporary_dir: Path) -> dict[str, str]:
    """Our own, without settings meant for a contestant, and with nobody told that it was started.

    MLflow leaves files in the temporary directory: here, they are removed with the data.
    """
    ours = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    return ours | {"MLFLOW_DISABLE_TELEMETRY": "true", "TMPDIR": str(temporary_dir)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_first_answer(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.perf_counter() + START_TIMEOUT_S
    while not _healthy(port):
        if process.poll() is not None or time.perf_counter() > deadline:
            tail = output.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"`{_words(process)}` did not answer. Its last words:\n{tail}")
        time.sleep(_POLL_S)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _words(process: "subprocess.Popen[bytes]") -> str:
    assert isinstance(process.args, list)
    return shlex.join(map(str, process.args))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the server, as a user would; SIGKILL to what of its family is still there afterwards."""
    members = family([process.pid])
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        say(f"`{_words(process)}` did not stop within {STOP_TIMEOUT_S:.0f} s and is killed")
    # MLflow's job runners outlive the server that started them.
    for member in {*members, *family([process.pid])}:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(members, timeout=STOP_TIMEOUT_S)
    process.wait()
