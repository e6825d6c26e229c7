"""The data directory: made once, held by one server at a time."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tracklog_server.problems import StartError


@dataclass(frozen=True)
class Holder:
    """Who holds a data directory: a process, and where its embedded database listens ('' if none)."""

    pid: int
    socket_dir: str = ""


class DataDirectory:
    """An exclusive hold on `path`, until the process ends or `release`.

    The kernel drops the lock when the process dies, whatever it dies of.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self.last_holder = _read_holder(lock)

    @classmethod
    def take(cls, path: Path) -> Self:
        """Make the directory if it is missing, and lock it.

        Raises: StartError, when it cannot be made or written, or another process holds it.
        """
        try:
            _make(path)
            # Not inherited by processes that we start: they must not keep the lock after our death.
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StartError(f"data directory {path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"data directory {path} is in use by process {_read_holder(lock).pid}"
            ) from error
        held = cls(path, lock)
        held.record(Holder(os.getpid()))
        return held

    def record(self, holder: Holder) -> None:
        """Tell other processes who holds the directory."""
        text = f"{holder.pid}\n{holder.socket_dir}\n".encode()
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, text, 0)

    def release(self) -> None:
        """Let another process hold the directory."""
        os.close(self._lock)


def holder_of(path: Path) -> Holder | None:
    """Who holds the data directory `path` now, or None.

    Raises: StartError, when the directory cannot be read.
    """
    try:
        lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"data directory {path} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(lock)
    else:
        return None
    finally:
        os.close(lock)


def _read_holder(lock: int) -> Holder:
    pid, _, rest = os.pread(lock, 4096, 0).decode(errors="replace").partition("\n")
    return Holder(int(pid) if pid.isdigit() else 0, rest.partition("\n")[0])


def _make(path: Path) -> None:
    if path.is_dir():
        return
    _make(path.parent)
    path.mkdir()
    # As root, PostgreSQL runs as another user, who must be able to pass through (not to list). The umask may
    # have forbidden that, so it is said again; only for directories made here.
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
