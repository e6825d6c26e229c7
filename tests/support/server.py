"""Starts real `tracklog server` processes for tests, each on a free port and in a directory of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
READY = "tracklog is ready: "


@contextlib.contextmanager
def scratch_dir() -> Iterator[Path]:
    """A new directory that the user of the embedded PostgreSQL can reach, removed afterwards.

    pytest's tmp_path is closed to other users, and as root PostgreSQL runs as one.
    """
    path = Path(tempfile.mkdtemp(prefix="tracklog-test-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass
class Server:
    """A server's parent process and what belongs to it."""

    data_dir: Path
    process: "subprocess.Popen[bytes]"
    output: Path
    errors: Path
    url: str = ""
    # Everything that was seen to be part of it, so that survivors can be found after the parent is gone.
    seen: set[psutil.Process] = field(default_factory=set)

    def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait for the banner; fails with what the server said when it ends instead."""
        deadline = time.monotonic() + timeout_s
        while READY not in (text := self.output.read_text()) or not text.endswith("stops it.\n"):
            code = self.process.poll()
            assert code is None, f"the server ended with {code}:\n{self.errors.read_text()}"
            assert time.monotonic() < deadline, (
                f"the server was not ready in time:\n{self.errors.read_text()}"
            )
            time.sleep(0.01)
        self.url = text.partition(READY)[2].splitlines()[0]
        self.descendants()

    def descendants(self) -> list[psutil.Process]:
        """Every living process that the parent has started, directly or not."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen.update(found)
        return found

    @property
    def pids(self) -> list[int]:
        """The ids of `descendants`."""
        return [process.pid for process in self.descendants()]

    def pids_by_role(self) -> dict[str, list[int]]:
        """The descendants' ids by role: worker, projector, prepare, postmaster, backend, other."""
        roles: dict[str, list[int]] = {"worker": [], "projector": [], "postmaster": [], "backend": []}
        for process in self.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                roles.setdefault(_role(process), []).append(process.pid)
        return roles

    def survivors(self, timeout_s: float = 10.0) -> list[psutil.Process]:
        """Which processes of the server still live, given that long to end."""
        _, alive = psutil.wait_procs([process for process in self.seen if _lives(process)], timeout=timeout_s)
        return [process for process in alive if _lives(process)]

    def log(self) -> str:
        """What it wrote to stderr."""
        return self.errors.read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does; its exit code."""
        self.descendants()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL the parent, as the out-of-memory killer does."""
        self.descendants()
        self.process.kill()
        self.process.wait()


def start_server(
    data_dir: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
    **process_options: Any,
) -> Server:
    """Start a server on a free port without waiting for it. Whoever starts it stops it.

    `command` is another way to run `tracklog`; `process_options` are subprocess's, such as `user`.
    """
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    # New files for each start, beside the data directory, which the server is to make itself.
    number = len(list(data_dir.parent.glob(f"{data_dir.name}.*.out")))
    output = data_dir.with_name(f"{data_dir.name}.{number}.out")
    errors = output.with_suffix(".err")
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [
                *(command or tracklog_command()),
                "server",
                "--data-dir",
                str(data_dir),
                *_port(options),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**clean_environment(), **(environment or {})},
            **process_options,
        )
    return Server(data_dir, process, output, errors)


@contextlib.contextmanager
def running_server(
    data_dir: Path | None = None, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server that is ready; stopped afterwards, and nothing of it is left.

    Without `data_dir` it has a temporary one, removed afterwards.
    """
    with contextlib.ExitStack() as stack:
        if data_dir is None:
            data_dir = stack.enter_context(scratch_dir()) / "data"
        server = start_server(data_dir, *options, environment=environment)
        try:
            server.wait_until_ready()
            yield server
        finally:
            end(server)
        assert server.survivors() == []


def end(server: Server) -> None:
    """Make sure that nothing of a server lives on, whatever the test did to it."""
    try:
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
        for process in server.survivors():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def tracklog_command() -> list[str]:
    """The installed `tracklog` command of this Python."""
    return [str(Path(sys.executable).with_name("tracklog"))]


def clean_environment() -> dict[str, str]:
    """This environment without settings of tracklog and MLflow that would get in a test's way."""
    prefixes = ("TRACKLOG_", "MLFLOW_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _port(options: tuple[str, ...]) -> list[str]:
    return [] if "--port" in options else ["--port", "0"]


def _role(process: psutil.Process) -> str:
    arguments = process.cmdline()
    if "tracklog_server.process" in arguments:
        return arguments[arguments.index("tracklog_server.process") + 1]
    if len(arguments) > 1 and Path(arguments[0]).name == "postgres":
        return "postmaster"
    return "backend" if " ".join(arguments).startswith("postgres: tracklog ") else "other"


def _lives(process: psutil.Process) -> bool:
    # A dead process that nobody reaps, as in a container without init, is no survivor.
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
