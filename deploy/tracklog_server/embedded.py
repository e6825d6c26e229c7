"""An embedded PostgreSQL inside the data directory: prepared, started, watched and stopped by the parent."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tracklog_server import postgres_files
from tracklog_server.json_lines import log
from tracklog_server.parent_death import signal_on_parent_death
from tracklog_server.postgres_files import ADMINISTRATOR, ROLE
from tracklog_server.postgres_user import postgres_user
from tracklog_server.problems import StartError

DATABASE: Final = "tracklog"
PORT: Final = 5432
# The kernel's limit for a socket's path is 104 bytes on macOS and 108 on Linux, its end mark included.
SOCKET_PATH_BYTES_MAX: Final = 100
FAST_STOP_S: Final = 15.0
IMMEDIATE_STOP_S: Final = 5.0

# Small at rest, durable, for few clients that write and update a lot. What is not named has its default.
PARAMETERS: Final[dict[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "96MB",
    "wal_buffers": "8MB",
    "huge_pages": "off",
    "io_method": "sync",
    "jit": "off",
    # No replicas: the log needs no more than what recovery reads.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    # Rare checkpoints: each makes the next write of every page go to the WAL whole.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "20s",
    "autovacuum_max_workers": "2",
    "autovacuum_vacuum_scale_factor": "0.05",
    "log_checkpoints": "off",
    # Errors of statements reach their client; the log keeps what concerns the server itself.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_line_prefix": "",
}


class EmbeddedPostgres:
    """The PostgreSQL of one data directory, of which the caller holds the lock.

    Raises: StartError on creation, when PostgreSQL cannot run here.
    """

    def __init__(self, data_dir: Path, connections_max: int) -> None:
        self._user = postgres_user()
        if not self._user.can_enter(data_dir):
            raise StartError(
                f"PostgreSQL cannot run as root, and user {self._user.name!r} may not enter {data_dir}:"
                " choose a --data-dir (TRACKLOG_DATA_DIR) outside, such as /var/lib/tracklog"
            )
        self.data = data_dir.resolve() / "postgres"
        self._programs = postgres_files.programs(self._user, data_dir)
        self._connections_max = connections_max
        self._temporary: Path | None = None
        self.socket_dir = self._choose_socket_dir()

    @property
    def is_new(self) -> bool:
        """Whether `prepare` will have to make the database directory."""
        return not self.data.exists()

    @property
    def dsn(self) -> str:
        """Where clients of ours connect."""
        return socket_dsn(self.socket_dir)

    def prepare(self) -> None:
        """Make the database directory if there is none.

        Raises: StartError, when the directory cannot be used.
        """
        if self.is_new:
            postgres_files.initialise(self.data, self._user, self._programs)
        else:
            postgres_files.check(self.data, self._user)
        if not self.socket_dir.exists():
            self._user.own(self.socket_dir)

    def start(self, output: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
        """Start the postmaster. It writes what it has to say to `output`, and stops if this process dies.

        Raises: StartError, when an earlier postmaster or its backends cannot be ended first.
        """
        self._stop_leftovers()
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self.socket_dir)]
        parameters = {**PARAMETERS, "port": str(PORT), "max_connections": str(self._connections_max)}
        for name, value in parameters.items():
            command += ["-c", f"{name}={value}"]
        parent = os.getpid()
        return subprocess.Popen(  # noqa: S603 - the wheel's postgres
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Safe here: the parent process has one thread.
            # At once: a shutdown in order may take long on a busy disk, and recovery loses nothing.
            preexec_fn=lambda: signal_on_parent_death(signal.SIGQUIT, parent),  # noqa: PLW1509
            **self._user.process_options(),
        )

    def accepts(self) -> bool:
        """Whether the postmaster says that it accepts connections."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _stop_leftovers(self) -> None:
        """End a postmaster without parent and backends without postmaster; clear away what they left."""
        postmaster = self._live_postmaster()
        if postmaster is not None:
            # It may be on its way already: its parent's death told it to stop.
            self._end([postmaster], signal.SIGINT, FAST_STOP_S)
            log("postgres_leftover_stopped", pid=postmaster)
        # Without a postmaster their shared memory is lost anyway; SIGQUIT ends them as after any crash.
        if not self._end(_processes_in(self.data), signal.SIGQUIT, IMMEDIATE_STOP_S):
            raise StartError(f"a PostgreSQL process that still uses {self.data} does not end")
        # A stale mark whose process id now is another process's would keep PostgreSQL from starting.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self.socket_dir / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the temporary socket directory, if there is one."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def forget_socket_dir(self, earlier: str) -> None:
        """Remove the temporary socket directory that an earlier, killed server left."""
        path = Path(earlier)
        if (
            earlier
            and path != self.socket_dir
            and _is_temporary(path)
            and path.lstat().st_uid == self._user.uid
        ):
            shutil.rmtree(path, ignore_errors=True)

    def _choose_socket_dir(self) -> Path:
        inside = self.data.with_name("postgres-socket")
        if len(os.fsencode(inside / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_BYTES_MAX:
            return inside
        self._temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, dir=_TEMPORARY_PARENT))
        if self._user.other:
            os.chown(self._temporary, self._user.uid, self._user.gid)
        return self._temporary

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _live_postmaster(self) -> int | None:
        lines = self._pid_file_lines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        return pid if pid and _works_in(pid, self.data) else None

    def _end(self, pids: list[int], number: int, patience_s: float) -> bool:
        """Signal processes until they are gone; SIGQUIT, PostgreSQL's immediate stop, when patience ends."""
        for signum, seconds in ((number, patience_s), (signal.SIGQUIT, IMMEDIATE_STOP_S)):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            deadline = time.monotonic() + seconds
            while (
                pids := [pid for pid in pids if _works_in(pid, self.data)]
            ) and time.monotonic() < deadline:
                time.sleep(0.01)
        return not pids


_TEMPORARY_PARENT: Final = "/tmp"  # noqa: S108 - short, which is the point; mkdtemp makes it private
_TEMPORARY_PREFIX: Final = "tracklog-"


def socket_dsn(socket_dir: Path, role: str = ROLE, database: str = DATABASE) -> str:
    """The URL of `database` on the PostgreSQL that listens in `socket_dir`."""
    return f"postgresql://{role}@/{database}?host={quote(str(socket_dir), safe='/')}&port={PORT}"


def administrator_dsn(dsn: str) -> str:
    """The URL by which the database of `dsn`, an embedded one's, can be created."""
    return dsn.replace(f"://{ROLE}@/{DATABASE}?", f"://{ADMINISTRATOR}@/postgres?", 1)


def _is_temporary(path: Path) -> bool:
    named_so = str(path.parent) == _TEMPORARY_PARENT and path.name.startswith(_TEMPORARY_PREFIX)
    return named_so and path.is_dir() and not path.is_symlink()


def _works_in(pid: int, directory: Path) -> bool:
    """Whether process `pid` lives and is a PostgreSQL process of `directory`, not one that got its number."""
    if sys.platform != "linux":
        ps = ["/bin/ps", "-o", "command=", "-p", str(pid)]
        return str(directory) in subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603
    try:
        # Every PostgreSQL process works in its data directory; a dead one not yet reaped has none.
        working_directory = str(Path(f"/proc/{pid}/cwd").readlink())
        return working_directory == str(directory) and _program_name(pid) == "postgres"
    except OSError:
        return False


def _program_name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()


def _processes_in(directory: Path) -> list[int]:
    """PostgreSQL's processes in `directory`. Elsewhere than on Linux PostgreSQL's own interlock must do."""
    if sys.platform != "linux":
        return []
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _works_in(pid, directory)]
