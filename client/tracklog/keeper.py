"""The one background thread of a process that logs: syncs, keeps a sender running, tells what went wrong."""

import contextlib
import logging
import os
import subprocess
import threading
import time
import weakref
from pathlib import Path
from typing import Final

from tracklog.config import Config
from tracklog.launch import start_sender
from tracklog.spool import Outbox
from tracklog.stream import Stream, Target

_log = logging.getLogger("tracklog")

# What is there at one look is at the next with the server, or is synced: within a second.
TICK_S: Final = 0.5
EXIT_POLL_S: Final = 0.02
# A sender that ends at once is started again after ever longer pauses.
RESTART_PAUSE_S: Final = 0.5
RESTART_PAUSE_MAX_S: Final = 30.0
RESTARTS_BEFORE_TELLING: Final = 4
# So long a problem may last before the end of a program stops waiting for it to pass.
EXIT_PATIENCE_S: Final = 1.5


class Keeper:
    """Looks after the streams of this process twice a second, and at once when it is woken."""

    def __init__(self) -> None:
        self._streams: list[Stream] = []
        # Of each outbox that has trouble: what the user knows of it.
        self._troubled: dict[Path, str] = {}
        self._told_elsewhere: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._exit_timeout_s = 0.0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._syncing: dict[Stream, threading.Thread] = {}
        # Of each outbox that waits: how many senders have been started for it, and when the next may be.
        self._restarts: dict[Path, tuple[int, float]] = {}

    def open_stream(self, target: Target, config: Config, *, tells_rejections: bool = True) -> Stream:
        """A stream that this keeper looks after.

        With `tells_rejections` False what the server refuses is not logged: whoever opened the stream asks
        it for `new_rejections`.
        """
        stream = Stream(target, config, self.watch)
        self._exit_timeout_s = max(self._exit_timeout_s, config.exit_timeout_s)
        if not tells_rejections:
            self._told_elsewhere.add(stream)
        return stream

    def take_over(self, stream: Stream) -> None:
        """From now on tell of a stream's rejections, for which nobody will ask any more."""
        self._told_elsewhere.discard(stream)

    def watch(self, stream: Stream) -> None:
        """Look after a stream until it is closed and delivered."""
        with self._lock:
            if stream not in self._streams:
                self._streams.append(stream)
        self.wake()

    def wake(self) -> None:
        """Look at once; starts the thread when it is not there, as in a forked child."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tracklog-keeper", daemon=True)
                self._thread.start()
        self._awake.set()

    def wait_at_exit(self) -> None:
        """Wait until everything is delivered, as long as the settings say; tells the user when it is not."""
        started = time.monotonic()
        waiting = self._undelivered()
        if waiting:
            self.wake()
        while waiting and (elapsed_s := time.monotonic() - started) < self._exit_timeout_s:
            if elapsed_s > EXIT_PATIENCE_S and all(problem_of(stream.outbox) for stream in waiting):
                break
            for stream in waiting:
                stream.outbox.wake_sender()
            time.sleep(EXIT_POLL_S)
            waiting = [stream for stream in waiting if not stream.is_delivered()]
        self._tell_rejections()
        for stream in list(self._streams):
            stream.sync()
        told: set[tuple[str | None, str]] = set()
        for outbox in {stream.outbox.path: stream.outbox for stream in waiting}.values():
            with contextlib.suppress(OSError, RuntimeError):
                # There is none for a while after each that was not let in.
                start_sender(outbox)
            problem = problem_of(outbox)
            if (outbox.url, problem) in told:
                continue
            told.add((outbox.url, problem))
            _log.warning(
                "tracklog: not everything is with %s yet%s. It is safe in %s; a sender goes on in the"
                " background, and `tracklog sync` delivers what is left whenever you like.",
                outbox.url,
                f" ({problem})" if problem else "",
                outbox.path.parent,
            )

    def forget_parent(self) -> None:
        """In a forked child: no thread is running, and what is closed is the parent's to look after."""
        self._streams = [stream for stream in self._streams if not stream.closed]
        self._begin_anew()

    def _undelivered(self) -> list[Stream]:
        return [s for s in list(self._streams) if not s.target.offline and not s.is_delivered()]

    def _run(self) -> None:
        while True:
            woken = self._awake.wait(TICK_S)
            self._awake.clear()
            try:
                self._look(woken=woken)
            except Exception:  # noqa: BLE001 - the edge of a thread, which outlives whatever a disk may do
                _log.exception("tracklog: the background thread met an error")

    def _look(self, *, woken: bool) -> None:
        overdue = [stream for stream in list(self._streams) if stream.is_overdue()]
        for stream in overdue:
            self._sync(stream)
        waiting = self._undelivered() if woken else overdue
        outboxes = {s.outbox.path: s.outbox for s in waiting if not s.target.offline}
        self._restarts = {path: of for path, of in self._restarts.items() if path in outboxes}
        for outbox in outboxes.values():
            self._tell_problem(outbox, self._see_to_sender(outbox))
        self._tell_rejections()
        for process in list(self._started):
            if process.poll() is not None:
                self._started.remove(process)
        for stream in list(self._streams):
            if stream.closed and (stream.target.offline or stream.is_delivered()):
                # What it still has to tell has been written before its last file went away.
                self._tell_rejections_of(stream)
                stream.sync()
                self._streams.remove(stream)

    def _sync(self, stream: Stream) -> None:
        """Values at once; large files beside them, for a disk may take minutes."""
        if not stream.target.files:
            stream.sync()
            return
        self._syncing = {of: thread for of, thread in self._syncing.items() if thread.is_alive()}
        if stream not in self._syncing:
            thread = threading.Thread(target=stream.sync, name="tracklog-sync", daemon=True)
            self._syncing[stream] = thread
            thread.start()

    def _see_to_sender(self, outbox: Outbox) -> str:
        """Start a sender when there is none; what keeps it from delivering, "" for nothing."""
        count, not_before = self._restarts.get(outbox.path, (0, 0.0))
        if time.monotonic() >= not_before:
            try:
                process = start_sender(outbox, anew=not count)
            except OSError as error:
                return f"no sender can be started ({error}); `tracklog sync` delivers it later"
            if process is not None:
                self._started.append(process)
                pause_s = min(RESTART_PAUSE_S * 2**count, RESTART_PAUSE_MAX_S)
                self._restarts[outbox.path] = count + 1, time.monotonic() + pause_s
        problem = problem_of(outbox)
        if count > RESTARTS_BEFORE_TELLING and not problem:
            return f"senders end again and again: {outbox.file('sender.log')} says why"
        return problem

    def _tell_problem(self, outbox: Outbox, problem: str) -> None:
        """Tell the user once that values have to wait, and once that they no longer do."""
        known = outbox.path in self._troubled
        # Values and files of one server usually have the same trouble.
        other = outbox.for_values() if outbox.holds_files else outbox.for_files()
        if problem and not known:
            self._troubled[outbox.path] = problem
            if self._troubled.get(other.path) != problem:
                _log.warning(
                    "tracklog: %s. Nothing is lost: what is logged waits in %s until it can be sent.",
                    problem,
                    outbox.path.parent,
                )
        elif known and not problem:
            del self._troubled[outbox.path]
            if not problem_of(other):
                self._troubled.pop(other.path, None)
            if other.path not in self._troubled:
                _log.warning("tracklog: %s takes what is logged again", outbox.url)

    def _tell_rejections(self) -> None:
        for stream in list(self._streams):
            self._tell_rejections_of(stream)

    def _tell_rejections_of(self, stream: Stream) -> None:
        if stream.target.offline or stream in self._told_elsewhere:
            return
        with self._telling:
            new = stream.new_rejections()
        for rejection in new:
            _log.error(
                "tracklog: the server refused %s. It is kept in %s.",
                rejection,
                stream.outbox.file(f"{stream.name}.rejected"),
            )


def problem_of(outbox: Outbox) -> str:
    """What keeps the outbox's sender from delivering, "" for nothing."""
    with contextlib.suppress(OSError):
        return outbox.file("status").read_text()
    return ""


KEEPER: Final = Keeper()
"""The keeper of this process."""

os.register_at_fork(after_in_child=KEEPER.forget_parent)
