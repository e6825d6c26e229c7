"""`tracklog.init`, `tracklog.resume` and the `Run` they give: what a training loop calls."""

import atexit
import logging
import os
import sys
import threading
import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Literal, Self

from tracklog import values as checks
from tracklog.config import DEFAULT_URL, Config, from_environment, user_name
from tracklog.files import FileLog
from tracklog.keeper import KEEPER
from tracklog.records import (
    PARAMS,
    POINTS,
    RECORD_ITEMS_MAX,
    RECORD_POINTS_MAX,
    RECORD_TEXTS_MAX,
    SERIES,
    STATUS,
    TAGS,
)
from tracklog.run_files import RunFiles, for_files
from tracklog.stream import Target
from tracklog.values import BadInput, Column, Number, column_bytes, raise_if
from tracklog_contract.limits import (
    EXPERIMENT_NAME_CHARS_MAX,
    INT64_MAX,
    INT64_MIN,
    RUN_NAME_CHARS_MAX,
    USER_ID_CHARS_MAX,
)

_log = logging.getLogger("tracklog")

Mode = Literal["online", "offline"]
_ENDS: Final = ("FINISHED", "FAILED", "KILLED")
_HEX: Final = frozenset("0123456789abcdef")
# Keys that a run remembers to have checked; a set this large is about 10 MiB.
_KEYS_MAX: Final = 100_000


def init(
    url: str | None = None,
    *,
    experiment: str = "Default",
    name: str | None = None,
    mode: Mode = "online",
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> "Run":
    """Begin a run and return at once, whether the server can be reached or not.

    Args: url: the server; by default TRACKLOG_URL, else MLFLOW_TRACKING_URI where that is http(s), else
    http://127.0.0.1:5000. experiment: its name; made when it is not there. name: the run's; the server finds
    one otherwise. mode: "offline" needs no server: `tracklog sync` delivers the run. tags, params: the first.
    Raises: BadInput (a ValueError), for what the server would refuse; never because of disk or network.
    """
    if mode not in ("online", "offline"):
        raise BadInput(f"mode must be 'online' or 'offline', not {mode!r}")
    config = _config(url)
    begin = _begin(experiment)
    if name is not None:
        begin["run_name"] = checks.plain_text(name, "name", RUN_NAME_CHARS_MAX)
    about = {
        "mlflow.user": begin["user_id"],
        "mlflow.source.name": _source(),
        "mlflow.source.type": "LOCAL",
    }
    run = Run(_target(os.urandom(16).hex(), config, begin, mode), config, owner=True)
    run.tags({**about, **(tags or {})})
    if params:
        run.params(params)
    return run


def resume(
    run_id: str, url: str | None = None, *, experiment: str | None = None, mode: Mode = "online"
) -> "Run":
    """Log to a run that exists or that another process of yours has begun, from any process or machine.

    Its status changes only by `finish`, or by an exception in a `with` block. Steps that are not given
    count from 0 again. With `experiment`, the run is made there when the server does not know it yet.
    Raises: BadInput, when `run_id` is not 32 hexadecimal digits.
    """
    if not isinstance(run_id, str) or len(run_id) != 32 or not _HEX.issuperset(run_id.lower()):
        raise BadInput(f"run_id must be 32 hexadecimal digits, not {run_id!r:.100}")
    if mode not in ("online", "offline"):
        raise BadInput(f"mode must be 'online' or 'offline', not {mode!r}")
    config = _config(url)
    begin = None if experiment is None else _begin(experiment)
    return Run(_target(run_id.lower(), config, begin, mode), config, owner=False)


class Run(RunFiles):
    """A run that is being logged, by `init` or `resume`; any thread may use it.

    What was logged is in the spool on this machine's disk when the call returns: it survives SIGKILL of the
    program, and a power cut but for the last second. A sender process brings it to the server, in order and
    once. A forked child may go on using it; pickled, it arrives as the same run resumed. A call with bad
    input raises BadInput, a ValueError and TypeError, after logging the rest of what it was given; one after
    `finish` a ValueError, for then only `resume` goes on. In a `with` block the run ends with it, FAILED
    after an exception; one that nobody ends does with the program.
    """

    def __init__(self, target: Target, config: Config, *, owner: bool) -> None:
        self._target = target
        self._config = config
        self._stream = KEEPER.open_stream(target, config)
        self._file_stream = KEEPER.open_stream(replace(target, files=True), for_files(config))
        self._files = FileLog(self._file_stream)
        self._keys: set[str] = set()
        self._next_step = 0
        self._step_lock = threading.Lock()
        self._owner_pid = os.getpid() if owner else None
        self._finished = False
        _open_runs.add(self)

    @property
    def id(self) -> str:
        """The run's id, 32 hexadecimal digits."""
        return self._target.run_id

    @property
    def url(self) -> str | None:
        """Where the run can be looked at; None offline where no server was named."""
        return f"{self._target.url}/#/runs/{self.id}" if self._target.url else None

    def log(
        self, values: Mapping[str, Number], step: int | None = None, *, timestamp: int | None = None
    ) -> None:
        """Log one number for each key, at one step.

        Args: values: floats, ints, numpy scalars, tensors of one item; NaN and infinities are numbers.
        step: by default one more than the last. timestamp: milliseconds since 1970, by default now.
        Raises: BadInput.
        """
        problems: list[str] = []
        if type(values) is dict and len(values) <= RECORD_ITEMS_MAX:
            keys = self._keys
            for key, value in values.items():
                if type(value) is not float or key not in keys:
                    values, problems = checks.accepted_numbers(values, keys)
                    break
        else:
            values, problems = checks.accepted_numbers(values, self._keys)
        if step is None:
            with self._step_lock:
                step = self._next_step
                self._next_step = step + 1
        else:
            if type(step) is not int or not INT64_MIN <= step <= INT64_MAX:
                step = checks.integer(step, "step")
            self._next_step = _after(step)
        if timestamp is None:
            timestamp = time.time_ns() // 1_000_000
        else:
            timestamp = checks.integer(timestamp, "timestamp", low=0)
        if len(values) <= RECORD_ITEMS_MAX:
            if values:
                self._stream.append((POINTS, step, timestamp, values))
        else:
            for portion in checks.chunks(values, RECORD_ITEMS_MAX):
                self._stream.append((POINTS, step, timestamp, portion))
        if len(self._keys) > _KEYS_MAX:
            self._keys.clear()
        raise_if(problems, "was not logged")

    def log_series(
        self,
        key: str,
        steps: int | Column | None,
        values: Column,
        timestamps: int | Column | None = None,
    ) -> None:
        """Log many points of one key.

        Args: steps: a column as long as `values`, or the first step of steps that go up by one, or None to
        go on from the last. values: a column of numbers: a numpy array, an array, a list, a range.
        timestamps: milliseconds since 1970, one for all or a column; by default now.
        Raises: BadInput; then nothing of the series has been logged.
        """
        checks.metric_key(key)
        numbers = checks.float_column(values)
        count = len(numbers)
        first, column = self._steps(steps, count)
        if timestamps is None:
            timestamps = time.time_ns() // 1_000_000
        one_time, times = _one_or_column(timestamps, "timestamps", count, low=0)
        if not count:
            return
        for start in range(0, count, RECORD_POINTS_MAX):
            part = slice(start, min(start + RECORD_POINTS_MAX, count))
            self._stream.append(
                (
                    SERIES,
                    key,
                    first + start if column is None else column_bytes(column[part]),
                    one_time if times is None else column_bytes(times[part]),
                    column_bytes(numbers[part]),
                )
            )
        self._next_step = _after(first + count - 1 if column is None else column[-1])

    def params(self, params: Mapping[str, Any]) -> None:
        """Log params, as text; a param keeps its first value. Raises: BadInput."""
        self._texts(PARAMS, "param", params)

    def tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, as text; `mlflow.runName` is the run's name. Raises: BadInput."""
        self._texts(TAGS, "tag", tags)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until the server has acknowledged everything logged so far, files too; True when it has.

        Never raises for the network. Offline it sees to the disk instead, and answers False. On a terminal a
        bar shows how far large files are.
        """
        KEEPER.wake()
        deadline = time.monotonic() + timeout_s
        arrived = self._stream.flush(timeout_s)
        return self._flush_files(max(0.0, deadline - time.monotonic())) and arrived

    def finish(self, status: str = "FINISHED", *, timeout_s: float = 0.0) -> None:
        """End the run as FINISHED, FAILED or KILLED, and return at once; delivery goes on in the background.

        With `timeout_s` it is waited for, at most so long, as `flush` does.
        Raises: BadInput, for another status.
        """
        if status not in _ENDS:
            raise BadInput(f"status must be one of {', '.join(_ENDS)}, not {status!r}")
        if not self._finished:
            self._stream.append((STATUS, status, time.time_ns() // 1_000_000))
            self._close()
        if timeout_s:
            self.flush(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(failed=kind is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._target, self._config)

    def __repr__(self) -> str:
        return f"<tracklog.Run {self.id} {self.url or 'offline'}>"

    def _end(self, *, failed: bool) -> None:
        """As a program or a `with` block ends; a process that has only joined leaves the status alone."""
        if self._finished:
            return
        if self._owner_pid == os.getpid():
            self.finish("FAILED" if failed else "FINISHED")
        elif failed and self._owner_pid is None:
            self.finish("FAILED")
        else:
            self._close()

    def _close(self) -> None:
        self._finished = True
        _open_runs.discard(self)
        for stream in (self._stream, self._file_stream):
            stream.close()
            stream.outbox.wake_sender()
        KEEPER.wake()

    def _texts(self, kind: int, word: str, texts: Mapping[str, Any]) -> None:
        accepted, problems = checks.accepted_texts(word, texts)
        for portion in checks.chunks(accepted, RECORD_TEXTS_MAX):
            self._stream.append((kind, portion))
        raise_if(problems, "was not logged")

    def _steps(self, steps: int | Column | None, count: int) -> tuple[int, "array[int] | None"]:
        """The first step of steps that go up by one, else the column."""
        if steps is None:
            steps = self._next_step
        first, column = _one_or_column(steps, "steps", count)
        if column is not None and count and checks.is_dense(column):
            first, column = column[0], None
        if column is None and first + count - 1 > INT64_MAX:
            raise BadInput(f"steps must be at most {INT64_MAX}")
        return first, column


def _after(step: int) -> int:
    return min(step + 1, INT64_MAX)


def _one_or_column(
    given: Any, what: str, count: int, *, low: int = INT64_MIN
) -> tuple[int, "array[int] | None"]:
    if not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0:
        return checks.integer(given, what, low=low), None
    column = checks.int_column(given, what)
    if len(column) != count:
        raise BadInput(f"there are {len(column)} {what} for {count} values")
    if count and min(column) < low:
        raise BadInput(f"{what} must be at least {low}")
    return 0, column


def _unpickled(target: Target, config: Config) -> Run:
    return Run(target, config, owner=False)


def _config(url: str | None) -> Config:
    try:
        return from_environment(url)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _target(run_id: str, config: Config, begin: Mapping[str, Any] | None, mode: Mode) -> Target:
    url = config.url if mode == "offline" else config.url or DEFAULT_URL
    return Target(run_id, url, begin, offline=mode == "offline")


def _begin(experiment: str) -> dict[str, Any]:
    """How a run begins now, in the words of the native lane."""
    if not experiment:
        raise BadInput("experiment must not be empty")
    return {
        "experiment_name": checks.plain_text(experiment, "experiment", EXPERIMENT_NAME_CHARS_MAX),
        "user_id": user_name()[:USER_ID_CHARS_MAX],
        "start_time": time.time_ns() // 1_000_000,
    }


def _source() -> str:
    return sys.argv[0] if sys.argv and sys.argv[0] else "<console>"


_open_runs: set[Run] = set()


def _at_exit() -> None:
    """End what the program has left open, and give delivery a moment."""
    # In a notebook or at a prompt an error ends a cell or line, and the work goes on.
    failed = getattr(sys, "last_type", None) is not None and not hasattr(sys, "ps1")
    for run in list(_open_runs):
        run._end(failed=failed)  # noqa: SLF001 - the class's own other half
    KEEPER.wait_at_exit()


atexit.register(_at_exit)
