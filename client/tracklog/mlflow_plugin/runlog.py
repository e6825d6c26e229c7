"""One run as this process logs it by the spool: its streams, what the server refused, and its params."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tracklog.config import Config
from tracklog.keeper import KEEPER, problem_of
from tracklog.records import STATUS
from tracklog.rejections import Rejection
from tracklog.stream import Stream, Target
from tracklog_contract.errors import INVALID, Rejected

_log = logging.getLogger("tracklog")

# So often a run that is being logged is looked at for refusals.
LOOK_S: Final = 1.0
# So long a problem may last before whoever waits for delivery stops waiting for it to pass.
PATIENCE_S: Final = 3.0
# A quota allows fewer by far; it only bounds what is remembered.
PARAMS_MAX: Final = 10_000


class RunLog:
    """Appends to the run's stream, opening one when it needs it; any thread may use it.

    What the server refuses later is logged as an error at once, and raised once, by the next call that may
    raise. Nothing in here imports MLflow.
    """

    def __init__(self, run_id: str, url: str, config: Config, before_open: Callable[[], None]) -> None:
        """`before_open` is called with the run's lock held: it must wait for no other run."""
        self._before_open = before_open
        self.run_id = run_id
        self.used_at = 0.0
        self._url = url
        self._config = config
        self._params: dict[str, str] = {}
        self._stream: Stream | None = None
        self.forget_parent()

    def forget_parent(self) -> None:
        """In a forked child: locks are free, and what was logged before is the parent's to look after."""
        self._lock = threading.RLock()
        # Closed, and perhaps not delivered yet.
        self._leaving: list[Stream] = []
        self._refused: list[Rejection] = []
        self._look_at = 0.0

    @property
    def is_open(self) -> bool:
        """Does it hold a file open."""
        return self._stream is not None

    @property
    def is_settled(self) -> bool:
        """Is everything delivered, and nothing left to raise."""
        if self._stream is None and not self._leaving and not self._refused:
            return True
        with self._lock:
            return not self._refused and all(stream.is_delivered() for stream in self._streams())

    def append(self, records: Iterable[Any]) -> None:
        """Log records, one after the other. Raises: Rejected, for what was refused before; then none is."""
        self.used_at = time.monotonic()
        with self._lock:
            if self.used_at >= self._look_at:
                self._look_for_refusals()
            if self._refused:
                self.raise_refusals()
            if self._stream is None:
                self._before_open()
                self._stream = self._open()
            for record in records:
                self._stream.append(record)

    def append_with_params(self, records: Iterable[Any], params: Mapping[str, str], *, single: bool) -> None:
        """Log records with `params` among them.

        Raises: Rejected, when a param has another value here, in the words for one param or for a batch.
        """
        with self._lock:
            changed = {
                key: (old, value)
                for key, value in params.items()
                if (old := self._params.get(key)) is not None and old != value
            }
            if changed:
                raise _changed_params(self.run_id, changed, single=single)
            self.append(records)
            self.remember_params(params)

    def remember_params(self, params: Mapping[str, str]) -> None:
        """Know that the run has these params."""
        with self._lock:
            if len(self._params) + len(params) <= PARAMS_MAX:
                self._params.update(params)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is acknowledged; True when it is, False when that may take long."""
        KEEPER.wake()
        deadline = time.monotonic() + timeout_s
        with self._lock:
            streams = self._streams()
        late = [stream for stream in streams if not _arrives(stream, deadline)]
        with self._lock:
            self._look_for_refusals()
        return not late

    def raise_refusals(self) -> None:
        """Raise what the server has refused, if anything: once. Raises: Rejected."""
        with self._lock:
            refused, self._refused = self._refused, []
        if not refused:
            return
        error = refused[0].as_error()
        if len(refused) > 1:
            raise Rejected(error.error_code, f"{error.message} ({len(refused)} items were refused.)")
        raise error

    def end(self, status: str, end_time: int) -> None:
        """Log the run's end and let go of its file. Never raises for what was refused before."""
        with self._lock:
            waiting, self._refused = self._refused, []
            self._look_at = time.monotonic() + LOOK_S
            self.append([(STATUS, status, end_time)])
            self._refused = waiting
            self.close()

    def close(self) -> None:
        """Let go of the file; what is in it is delivered, and what comes next goes to another."""
        with self._lock:
            if self._stream is not None:
                self._stream.close()
                self._stream.outbox.wake_sender()
                self._leaving.append(self._stream)
                self._stream = None

    def close_if_free(self) -> None:
        """Let go of the file, unless somebody is using it."""
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()

    def hand_over(self) -> None:
        """At the end of the program: let go, and leave it to the keeper to tell what is refused yet."""
        self.close()
        for stream in self._leaving:
            KEEPER.take_over(stream)

    def problem(self) -> str:
        """What keeps it from being delivered, and where it lies, in words."""
        with self._lock:
            streams = self._streams()
        if not streams:
            return "it is delivered"
        outbox = streams[-1].outbox
        reason = problem_of(outbox) or f"{outbox.url} takes long"
        return f"{reason}. It is safe in {outbox.path}"

    def _open(self) -> Stream:
        return KEEPER.open_stream(Target(self.run_id, self._url), self._config, tells_rejections=False)

    def _streams(self) -> list[Stream]:
        return [*self._leaving, self._stream] if self._stream is not None else list(self._leaving)

    def _look_for_refusals(self) -> None:
        self._look_at = time.monotonic() + LOOK_S
        for stream in self._streams():
            # In this order: what it has to tell is written before it counts as delivered.
            is_done = stream.closed and stream.is_delivered()
            self._take_in(stream)
            if is_done:
                self._leaving.remove(stream)

    def _take_in(self, stream: Stream) -> None:
        for rejection in stream.new_rejections():
            path = stream.outbox.file(f"{stream.name}.rejected")
            _log.error("tracklog: the server refused %s. It is kept in %s.", rejection, path)
            self._refused.append(rejection)
            if rejection.item == "param":
                self._params.pop(rejection.key, None)


def _arrives(stream: Stream, deadline: float) -> bool:
    """Wait for delivery; not much longer than PATIENCE_S while something keeps the sender from it."""
    wait_s = PATIENCE_S
    while (left_s := deadline - time.monotonic()) > 0:
        if stream.flush(min(wait_s, left_s)):
            return True
        if problem_of(stream.outbox):
            return False
        wait_s = LOOK_S
    return stream.is_delivered()


def _changed_params(run_id: str, changed: Mapping[str, tuple[str, str]], *, single: bool) -> Rejected:
    if single:
        ((key, (old, new)),) = changed.items()
        return Rejected(
            INVALID,
            f"Changing param values is not allowed. Param with key='{key}' was already logged with "
            f"value='{old}' for run ID='{run_id}'. Attempted logging new value '{new}'.",
        )
    found = [{"key": key, "old_value": old, "new_value": new} for key, (old, new) in changed.items()]
    return Rejected(
        INVALID,
        f"Changing param values is not allowed. Params were already logged='{found}' for run ID='{run_id}'.",
    )
