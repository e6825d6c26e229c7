"""Starts the sender of an outbox: a process of its own, detached, that outlives the one that trains."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import msgpack

import tracklog
import tracklog_contract
from tracklog.spool import Outbox, is_locked, try_lock

_log = logging.getLogger("tracklog")

SENDER_LOG_BYTES_MAX: Final = 2**20

# Held while a locked descriptor is open here: a child forked meanwhile would keep the lock for ever.
_starting = threading.Lock()


def start_sender(outbox: Outbox, *, anew: bool = False) -> "subprocess.Popen[bytes] | None":
    """Start the outbox's sender when none is running and nobody is about to deliver by hand.

    `anew`: what kept an earlier one from delivering, maybe long ago, is forgotten. The lock is taken here and
    handed over with its descriptor, so there is never a second one. The process returned ends at once, when
    the sender has detached from it. Raises: OSError.
    """
    with _starting:
        if is_locked(outbox.file("sync.lock")):
            return None
        lock = try_lock(outbox.file("sender.lock"))
        if lock is None:
            return None
        try:
            if anew:
                outbox.file("status").unlink(missing_ok=True)
            return _spawn(outbox, lock)
        finally:
            os.close(lock)


def _spawn(outbox: Outbox, lock: int) -> "subprocess.Popen[bytes]":
    if not sys.executable:
        raise OSError("Python does not know its own path")
    with outbox.file("sender.log").open("ab") as log:
        if log.tell() > SENDER_LOG_BYTES_MAX:
            log.truncate(0)
        return subprocess.Popen(  # noqa: S603 - this Python, running this package
            [sys.executable, "-P", "-m", "tracklog", str(outbox.path), str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            # Not where the program stands: that may go away.
            cwd="/",
            start_new_session=True,
            env=_environment(),
        )


def _environment() -> dict[str, str]:
    """The environment of this process, in which what the sender needs is found as it is here."""
    environment = dict(os.environ)
    given = [
        str(Path(path).absolute()) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path
    ]
    needed = [
        str(Path(str(package.__file__)).absolute().parents[1])
        for package in (tracklog, tracklog_contract, msgpack)
    ]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*given, *needed]))
    return environment


def _before_fork() -> None:
    _starting.acquire()


def _after_fork() -> None:
    with contextlib.suppress(RuntimeError):
        _starting.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
