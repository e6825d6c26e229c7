"""MLflow's store of an http(s) server, which logs by the spool once the server turns out to be tracklog's."""

import contextlib
import inspect
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from mlflow.entities import LifecycleStage, RunStatus
from mlflow.exceptions import RestException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.async_logging.run_operations import RunOperations

from tracklog.mlflow_plugin import batch, spark
from tracklog.mlflow_plugin.known import Known
from tracklog.mlflow_plugin.lane import FLUSH_TIMEOUT_S, Lane, lane_for
from tracklog.mlflow_plugin.runlog import RunLog
from tracklog.mlflow_plugin.workspace import workspace
from tracklog_contract.errors import Rejected

_log = logging.getLogger("tracklog")

_ENDS: Final = ("FINISHED", "FAILED", "KILLED")
_HEX: Final = frozenset("0123456789abcdef")
# What MLflow calls with parameters that must be those known here.
_OVERRIDDEN: Final = (
    "log_metric",
    "log_param",
    "set_tag",
    "log_batch",
    "log_batch_async",
    "flush_async_logging",
    "get_run",
    "update_run_info",
    "delete_run",
    "delete_experiment",
)
# Requests about runs that do not name them; all others that are about a run name it.
_ABOUT_ALL_RUNS: Final = frozenset({"SearchRuns", "SearchLoggedModels", "DeleteExperiment"})
# Whether a body may name runs or experiments: most are never decoded, and traces can be large.
_NAMES_RUNS: Final = re.compile(r'"(?:run|experiment)_(?:uu)?ids?"')
# The name of MLflow's function that reads a run only to print its address.
_PRINTS_ADDRESS: Final = "_log_url"


class TracklogStore(RestStore):  # type: ignore[misc]  # MLflow's types are not looked at
    """RestStore, exactly, until its server is known to be tracklog's, and for ever where it is not.

    Then metrics, params, tags and the end of a run go to the spool. Before any other request about a run what
    waits of it is delivered, so that MLflow's code reads what it wrote, in the order in which it wrote.
    """

    def __init__(self, store_uri: str, get_host_creds: Callable[[], Any]) -> None:
        super().__init__(get_host_creds)
        self._lane = lane_for(store_uri)
        self._is_native = False

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Log a metric. Raises: MlflowException."""
        with _in_mlflow_s_words():
            run = self._known_run(run_id)
            record = None if run is None else batch.single_point(metric)
            if run is not None and record is not None:
                run.append((record,))
                return
        super().log_metric(run_id, metric)
        self._admit(run_id)

    def log_param(self, run_id: str, param: Any) -> None:
        """Log a param. Raises: MlflowException."""
        with _in_mlflow_s_words():
            run = self._known_run(run_id)
            found = None if run is None else batch.single_param(param)
            if run is not None and found is not None:
                run.append_with_params(found.records, found.params, single=True)
                return
        super().log_param(run_id, param)
        self._admit(run_id, [param])

    def set_tag(self, run_id: str, tag: Any) -> None:
        """Set a tag. Raises: MlflowException."""
        with _in_mlflow_s_words():
            run = self._known_run(run_id)
            record = None if run is None else batch.single_tag(tag)
            if run is not None and record is not None:
                run.append((record,))
                self._note([tag], run_id)
                return
        super().set_tag(run_id, tag)
        self._admit(run_id)

    def log_batch(
        self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]
    ) -> None:
        """Log a batch, all of it or nothing. Raises: MlflowException."""
        with _in_mlflow_s_words():
            run = self._known_run(run_id)
            found = None if run is None else batch.batch_of(metrics, params, tags)
            if run is not None and found is not None and found.records:
                run.append_with_params(found.records, found.params, single=False)
                self._note(tags, run_id)
                return
        super().log_batch(run_id, metrics, params, tags)
        self._admit(run_id, params)

    def log_batch_async(
        self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]
    ) -> Any:
        """Log a batch, and give what waits for its arrival."""
        lane = self._native_lane()
        if lane is None or lane.run(run_id) is None or batch.has_links(metrics):
            return super().log_batch_async(run_id, metrics, params, tags)
        arrival = Arrival(lane, run_id)
        try:
            self.log_batch(run_id, metrics, params, tags)
        except Exception as error:  # noqa: BLE001 - whoever waits for it gets it, as from MLflow's queue
            _log.error("tracklog: run %s: %s", run_id, error)
            arrival.set_exception(error)
        return RunOperations([arrival])

    def flush_async_logging(self) -> None:
        """Wait for everything logged so far. Raises: MlflowException, for what the server refused of it."""
        super().flush_async_logging()
        lane = self._native_lane()
        if lane is not None:
            with _in_mlflow_s_words():
                lane.flush()
                lane.raise_refusals()

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        """Create a run, as MLflow does."""
        return self._learn(super().create_run(*args, **kwargs))

    def get_run(self, run_id: str) -> Any:
        """Read a run, with everything that this process has logged to it."""
        lane = self._native_lane()
        known = None if lane is None else lane.info(run_id)
        # A run's end must not fail because its address could not be printed without the server.
        if known is not None and sys._getframe(1).f_code.co_name == _PRINTS_ADDRESS:  # noqa: SLF001 - only this tells
            return known.run()
        return self._learn(super().get_run(run_id))

    def update_run_info(
        self, run_id: str, run_status: Any, end_time: int | None, run_name: str | None
    ) -> Any:
        """End a run by the spool, and wait for its arrival; change anything else as MLflow does.

        Raises: MlflowException, for what the server refused; the run has ended all the same.
        """
        lane = self._native_lane()
        run, known = (None, None) if lane is None else (lane.run(run_id), lane.info(run_id))
        status = "" if run_status is None else RunStatus.to_string(run_status)
        if lane is None or run is None or known is None or run_name or status not in _ENDS or not end_time:
            return self._updated(super().update_run_info(run_id, run_status, end_time, run_name))
        with _in_mlflow_s_words():
            run.end(status, end_time)
            lane.flush([run_id], lane.config.exit_timeout_s)
            run.raise_refusals()
        return known.info(status, end_time)

    def delete_run(self, run_id: str) -> None:
        """Delete a run, as MLflow does."""
        super().delete_run(run_id)
        lane = self._lane
        if lane is not None:
            lane.forget(run_id)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment and its runs, as MLflow does."""
        super().delete_experiment(experiment_id)
        lane = self._lane
        if lane is not None:
            lane.forget_all()

    def _call_endpoint(self, api: Any, json_body: Any = None, *args: Any, **kwargs: Any) -> Any:
        lane = self._native_lane()
        if lane is not None:
            with _in_mlflow_s_words():
                _deliver_before(lane, api, json_body)
        return super()._call_endpoint(api, json_body, *args, **kwargs)

    def _native_lane(self) -> Lane | None:
        """The lane, where the server is known to be tracklog's; asks it when this is the first use."""
        lane = self._lane
        if lane is None:
            return None
        is_tracklog = lane.probe.is_tracklog()
        if not is_tracklog or workspace():
            if is_tracklog is False:
                self._lane = None
            return None
        if not self._is_native:
            self._is_native = True
            spark.look_only_where_imported()
        return lane

    def _known_run(self, run_id: str) -> RunLog | None:
        lane = self._native_lane()
        return None if lane is None else lane.run(run_id)

    def _admit(self, run_id: str, params: Sequence[Any] = ()) -> None:
        """The server has taken something for the run: it is there, and has these params."""
        lane = self._lane
        if lane is not None and _is_id(run_id):
            lane.admit(run_id).remember_params(batch.params_of(params))

    def _learn(self, run: Any) -> Any:
        """Know a run that the server has told of."""
        lane = self._lane
        if lane is not None and _is_id(run.info.run_id):
            if run.info.lifecycle_stage == LifecycleStage.ACTIVE:
                lane.admit(run.info.run_id, Known(run.info, run.data.tags))
            else:
                lane.forget(run.info.run_id)
        return run

    def _updated(self, info: Any) -> Any:
        """Know of a change that the server has made."""
        lane = self._lane
        known = None if lane is None else lane.info(info.run_id)
        if known is not None:
            known.set_info(info)
        return info

    def _note(self, tags: Sequence[Any], run_id: str) -> None:
        lane = self._lane
        known = None if lane is None else lane.info(run_id)
        if known is not None:
            known.set_tags((tag.key, tag.value) for tag in tags)


def fits(stock: type) -> bool:
    """Is MLflow's store of the class that is extended here, and are its methods called as they are here."""
    # What an older one does not have, nobody calls there.
    return stock is RestStore and all(
        _parameters(getattr(stock, name)) == _parameters(getattr(TracklogStore, name))
        for name in _OVERRIDDEN
        if hasattr(stock, name)
    )


def _parameters(method: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(method).parameters)


class Arrival(Future[None]):
    """What MLflow waits for after logging in the background: done when the server has what was logged."""

    def __init__(self, lane: Lane, run_id: str) -> None:
        super().__init__()
        self._lane = lane
        self._run_id = run_id

    def result(self, timeout: float | None = None) -> None:
        """Wait for it. Raises: MlflowException, for what was refused."""
        if not self.done():
            try:
                with _in_mlflow_s_words():
                    self._lane.flush([self._run_id], FLUSH_TIMEOUT_S if timeout is None else timeout)
                    self._lane.raise_refusals([self._run_id])
            except RestException as error:
                self.set_exception(error)
            else:
                self.set_result(None)
        super().result(0)


@contextlib.contextmanager
def _in_mlflow_s_words() -> Iterator[None]:
    """Raise what is refused here as MLflow's client raises what its server refuses."""
    try:
        yield
    except Rejected as error:
        raise RestException({"error_code": error.error_code, "message": error.message}) from None


def _is_id(run_id: str) -> bool:
    return len(run_id) == 32 and _HEX.issuperset(run_id)


def _deliver_before(lane: Lane, api: Any, json_body: Any) -> None:
    """Deliver what waits of the runs that a request is about. Raises: Rejected, for what was refused."""
    if lane.is_settled or not isinstance(json_body, str) or not _NAMES_RUNS.search(json_body):
        return
    fields = json.loads(json_body)
    if not isinstance(fields, dict):
        return
    run_ids = _runs_named(fields)
    if api.__name__ in _ABOUT_ALL_RUNS:
        run_ids = lane.runs_in([*fields.get("experiment_ids", ()), fields.get("experiment_id", "")])
    if run_ids:
        lane.flush(run_ids)
        lane.raise_refusals(run_ids)


def _runs_named(fields: Mapping[str, Any]) -> list[str]:
    return [*fields.get("run_ids", ()), *(fields[name] for name in ("run_id", "run_uuid") if name in fields)]
