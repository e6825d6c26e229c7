"""Spools of the client for tests: temporary ones, programs that log to them, and their senders."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tracklog import Run
from tracklog.spool import outboxes


@contextlib.contextmanager
def temporary_spool() -> Iterator[Path]:
    """A new spool directory, removed afterwards together with the senders that were started on it."""
    path = Path(tempfile.mkdtemp(prefix="tracklog-spool-"))
    try:
        yield path
    finally:
        for process in senders(path):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(path, ignore_errors=True)


def senders(spool: Path) -> list[psutil.Process]:
    """The sender processes that deliver this spool."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            arguments = process.cmdline()
            # The one that detaches from the program is no sender: it is about to end.
            if arguments[2:4] == ["-m", "tracklog"] and arguments[4].startswith(f"{spool}/"):
                found.append(process)
    return found


def segments(spool: Path) -> list[Path]:
    """Every segment that is there."""
    return sorted(spool.glob("*/*.segment"))


def problems(spool: Path) -> list[str]:
    """What the senders say that keeps them from delivering."""
    return [text for path in spool.glob("*/status") if (text := path.read_text())]


def sender_logs(spool: Path) -> str:
    """What the senders had to say."""
    return "\n".join(outbox.file("sender.log").read_text() for outbox in outboxes(spool))


def start_program(code: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a program that logs; it has this environment, and its output can be read."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_program(code: str, *arguments: str, exit_code: int = 0, **environment: str) -> tuple[str, str]:
    """Run a program that logs, to its end; what it wrote to stdout and stderr."""
    process = start_program(code, *arguments, **environment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == exit_code, err
    return out, err


def sync(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run `tracklog sync`; its exit code and what it said."""
    command = "import sys; from tracklog_server.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", command, "sync", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """What the condition gives once it is true; fails when it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
    return result


def log_as_child(run: Run, number: int) -> None:
    """What a child process does with the run it was given; here, where a spawned one imports little."""
    for step in range(100):
        run.log({f"p{number}": step}, step=step)
    run.tags({f"t{number}": number})
