"""Everything that this process logs to one tracklog server by the spool, run by run."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Collection, Iterable
from typing import Any, Final

from tracklog.config import Config, from_environment, parse_url
from tracklog.mlflow_plugin.probe import Probe
from tracklog.mlflow_plugin.runlog import RunLog

_log = logging.getLogger("tracklog")

FLUSH_TIMEOUT_S: Final = 30.0
# Each open run holds a file open.
OPEN_RUNS_MAX: Final = 200
KNOWN_RUNS_MAX: Final = 2_000


class Lane:
    """The runs that are known to be on one server, each with what this process logs to it.

    Only a known run is logged to natively: one that the server has told of, or has taken something for.
    """

    def __init__(self, url: str, config: Config) -> None:
        self.url = url
        self.config = config
        self.probe = Probe(url)
        # Until it turns out that this server of tracklog's cannot.
        self.takes_files = True
        self._runs: dict[str, RunLog] = {}
        # What MLflow's client knows of a run: what is shown at its end, and the answer to its end.
        self._infos: dict[str, Any] = {}
        self.forget_parent()

    def forget_parent(self) -> None:
        """In a forked child: what the parent has logged is the parent's to deliver and to tell of."""
        self._lock = threading.Lock()
        for run in self._runs.values():
            run.forget_parent()

    def run(self, run_id: str) -> RunLog | None:
        """The log of a known run."""
        return self._runs.get(run_id)

    def admit(self, run_id: str, info: Any = None) -> RunLog:
        """The log of a run that is on the server, known from now on, and its `info` where it is at hand."""
        run = self._runs.get(run_id)
        if run is None:
            with self._lock:
                run = self._runs.setdefault(
                    run_id, RunLog(run_id, self.url, self.config, self._limit_open_files)
                )
                run.used_at = time.monotonic()
            self._forget_oldest()
        if info is not None:
            self._infos[run_id] = info
        return run

    def info(self, run_id: str) -> Any:
        """What is known of a run, None where nothing is."""
        return self._infos.get(run_id)

    def runs_in(self, experiment_ids: Collection[str]) -> list[str]:
        """The known runs that may be in one of these experiments; "*" stands for all."""
        return [
            run_id
            for run_id in list(self._runs)
            if (info := self._infos.get(run_id)) is None
            or info.experiment_id in experiment_ids
            or "*" in experiment_ids
        ]

    def forget(self, run_id: str) -> None:
        """Do not count on a run being there; what has been logged to it is still delivered."""
        run = self._runs.pop(run_id, None)
        self._infos.pop(run_id, None)
        if run is not None:
            run.hand_over()

    def forget_all(self) -> None:
        """Do not count on any run being there."""
        for run_id in list(self._runs):
            self.forget(run_id)

    @property
    def is_settled(self) -> bool:
        """Is everything delivered, and nothing left to raise."""
        return all(run.is_settled for run in list(self._runs.values()))

    def flush(self, run_ids: Iterable[str] | None = None, timeout_s: float = FLUSH_TIMEOUT_S) -> bool:
        """Wait until these runs, or all, are delivered; True when they are, False when it may take long."""
        runs = self._chosen(run_ids)
        deadline = time.monotonic() + timeout_s
        late = [run for run in runs if not run.flush(max(0.0, deadline - time.monotonic()))]
        if late:
            _log.warning(
                "tracklog: what was logged to run %s%s has not arrived yet: %s, and is delivered as soon as"
                " that is possible.",
                late[0].run_id,
                f" and {len(late) - 1} more" if len(late) > 1 else "",
                late[0].problem(),
            )
        return not late

    def raise_refusals(self, run_ids: Iterable[str] | None = None) -> None:
        """Raise what the server has refused of these runs, or of all. Raises: Rejected."""
        for run in self._chosen(run_ids):
            run.raise_refusals()

    def hand_over(self) -> None:
        """At the end of the program: let go of all files, and leave the rest to the keeper."""
        for run in list(self._runs.values()):
            run.hand_over()

    def _chosen(self, run_ids: Iterable[str] | None) -> list[RunLog]:
        if run_ids is None:
            found = list(self._runs.values())
        else:
            found = [run for run_id in run_ids if (run := self._runs.get(run_id)) is not None]
        return [run for run in found if not run.is_settled]

    def _limit_open_files(self) -> None:
        """Close some of the runs that have been quiet for longest, when many are open."""
        runs = [run for run in list(self._runs.values()) if run.is_open]
        if len(runs) >= OPEN_RUNS_MAX:
            for run in sorted(runs, key=lambda run: run.used_at)[: OPEN_RUNS_MAX // 4]:
                run.close_if_free()

    def _forget_oldest(self) -> None:
        if len(self._runs) <= KNOWN_RUNS_MAX:
            return
        quiet = sorted([*self._runs.values()], key=lambda run: run.used_at)[: KNOWN_RUNS_MAX // 10]
        for run in quiet:
            if run.is_settled:
                self.forget(run.run_id)


_lanes: dict[str, Lane] = {}
_making: Final = threading.Lock()


def lane_to(url: str, config: Config) -> Lane:
    """The lane of this process to a server."""
    with _making:
        if url not in _lanes:
            _lanes[url] = Lane(url, config)
        return _lanes[url]


def lane_for(store_uri: str) -> Lane | None:
    """The lane to a server, if it should have one; None where the sender could not log in as MLflow does."""
    try:
        url = parse_url(store_uri)
    except ValueError as error:
        _log.debug("tracklog: %s is left to MLflow: %s", store_uri.rpartition("@")[2], error)
        return None
    try:
        return lane_to(url, from_environment(url))
    except ValueError as error:
        _log.warning("tracklog: MLflow logs as it does without tracklog: %s", error)
        return None


def _forget_parent() -> None:
    for lane in list(_lanes.values()):
        lane.forget_parent()


def _at_exit() -> None:
    for lane in list(_lanes.values()):
        lane.hand_over()


os.register_at_fork(after_in_child=_forget_parent)
# Called after MLflow has ended its active run, and before tracklog waits for delivery.
atexit.register(_at_exit)
