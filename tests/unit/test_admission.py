"""Admission's decisions on a state in memory: all or nothing, and exact at every quota's edge."""

import uuid
from types import SimpleNamespace

import msgpack
import pytest

from tests.support.native import series
from tracklog_contract.caller import Caller, Level, Need
from tracklog_contract.errors import Rejected
from tracklog_contract.events import MetricLink, RunLogged, RunUpdated
from tracklog_contract.limits import Quotas
from tracklog_contract.points import block_of
from tracklog_ingest import native_wire
from tracklog_ingest.experiments import (
    CreateExperiment,
    DeleteExperimentTag,
    RenameExperiment,
    SetExperimentDeleted,
    SetExperimentTag,
)
from tracklog_ingest.native import NativeBatch
from tracklog_ingest.runs import CreateRun, DeleteRunTag, LogToRun, SetRunDeleted, UpdateRun
from tracklog_ingest.state import Experiment, Model, Run, State
from tracklog_ingest.tally import Meter, Tally

SMALL = Quotas(run_points=10, run_params=2, run_tags=3, experiment_runs=2, experiment_tags=1)
RUN_ID = uuid.UUID(hex="ab" * 16)


def points(count: int):
    return block_of([("k", (list(range(count)), [0] * count, [0.0] * count))])


@pytest.fixture
def state() -> State:
    state = State(SMALL, position=100)
    state.experiments[1] = Experiment(1, "default", "one", "mlflow-artifacts:/1")
    state.names["default", "one"] = 1
    run = Run(RUN_ID, 1, "name", "", "mlflow-artifacts:/1/r/artifacts", 1, 0, tags=1)
    state.runs[RUN_ID] = run
    state.tags.read((RUN_ID, "mlflow.runName"))
    return state


def refused(state: State, command) -> Rejected:
    """The refusal of `command`, which must have left no trace."""
    before = (
        len(state.entries),
        state.runs[RUN_ID].points,
        state.runs[RUN_ID].params,
        state.runs[RUN_ID].tags,
    )
    with pytest.raises(Rejected) as caught:
        command.admit(state)
    run = state.runs[RUN_ID]
    assert (len(state.entries), run.points, run.params, run.tags) == before
    return caught.value


def test_points_are_accepted_up_to_the_quota_and_refused_beyond_it(state):
    LogToRun(RUN_ID.hex, points(7)).admit(state)
    error = refused(state, LogToRun(RUN_ID.hex, points(4), params={"p": "1"}, tags={"t": "1"}))
    assert error.error_code == "RESOURCE_LIMIT_EXCEEDED"
    assert error.status == 400
    assert "11" in error.message
    assert "limit is 10" in error.message
    LogToRun(RUN_ID.hex, points(3)).admit(state)
    assert state.runs[RUN_ID].points == 10


def test_params_and_tags_count_keys_not_writes(state):
    for _ in range(3):
        LogToRun(RUN_ID.hex, params={"a": "1", "b": "2"}, tags={"x": "1"}).admit(state)
    assert (state.runs[RUN_ID].params, state.runs[RUN_ID].tags) == (2, 2)
    assert refused(state, LogToRun(RUN_ID.hex, params={"c": "1"})).error_code == "RESOURCE_LIMIT_EXCEEDED"
    LogToRun(RUN_ID.hex, tags={"y": "1"}).admit(state)
    assert refused(state, LogToRun(RUN_ID.hex, tags={"z": "1"})).error_code == "RESOURCE_LIMIT_EXCEEDED"
    DeleteRunTag(RUN_ID.hex, "y").admit(state)
    LogToRun(RUN_ID.hex, tags={"z": "1"}).admit(state)


def test_a_param_is_written_once(state):
    LogToRun(RUN_ID.hex, params={"a": "1"}).admit(state)
    single = refused(state, LogToRun(RUN_ID.hex, params={"a": "2"}, single=True))
    assert "Param with key='a' was already logged with value='1'" in single.message
    batch = refused(state, LogToRun(RUN_ID.hex, points(1), params={"a": "2"}))
    assert "[{'key': 'a', 'old_value': '1', 'new_value': '2'}]" in batch.message


def test_a_batch_that_changes_nothing_appends_nothing(state):
    LogToRun(RUN_ID.hex, params={"a": "1"}).admit(state)
    LogToRun(RUN_ID.hex, params={"a": "1"}).admit(state)
    LogToRun(RUN_ID.hex).admit(state)
    LogToRun(RUN_ID.hex, tags={"mlflow.runName": ""}).admit(state)
    assert len(state.entries) == 1


def test_only_new_params_are_in_the_event(state):
    LogToRun(RUN_ID.hex, params={"a": "1"}).admit(state)
    LogToRun(RUN_ID.hex, params={"a": "1", "b": "2"}).admit(state)
    event = state.entries[-1].event
    assert isinstance(event, RunLogged)
    assert event.params == {"b": "2"}


def test_the_name_is_the_tag_and_the_tag_is_the_name(state):
    LogToRun(RUN_ID.hex, tags={"mlflow.runName": "by tag"}).admit(state)
    assert state.runs[RUN_ID].name == "by tag"
    assert UpdateRun(RUN_ID.hex, None, None, "by update").admit(state).name == "by update"
    assert UpdateRun(RUN_ID.hex, 3, None, "").admit(state).name == "by update"
    assert state.entries[-1].event == RunUpdated(status=3)


def test_a_deleted_run_takes_no_writes_and_both_ways_are_idempotent(state):
    for _ in range(2):
        SetRunDeleted(RUN_ID.hex, deleted=True, now_ms=5).admit(state)
    assert len(state.entries) == 1
    assert "must be in the 'active' state" in refused(state, LogToRun(RUN_ID.hex, points(1))).message
    assert refused(state, UpdateRun(RUN_ID.hex, 3, None, None)).error_code == "INVALID_PARAMETER_VALUE"
    SetRunDeleted(RUN_ID.hex, deleted=False, now_ms=6).admit(state)
    LogToRun(RUN_ID.hex, points(1)).admit(state)


@pytest.mark.parametrize("run_id", ["nope", "", "0" * 32, "AB" * 17, "ab" * 15 + "zz"])
def test_an_unknown_run_is_not_found(state, run_id):
    error = refused(state, LogToRun(run_id, points(1)))
    assert (error.error_code, error.status) == ("RESOURCE_DOES_NOT_EXIST", 404)
    assert error.message == f"Run with id={run_id} not found"


def test_a_new_run_has_a_name_a_place_and_counts(state):
    run, tags = CreateRun(1, uuid.uuid4(), "", "me", 7, {}).admit(state)
    assert run.name == tags["mlflow.runName"] != ""
    assert run.artifact_uri == f"mlflow-artifacts:/1/{run.run_id.hex}/artifacts"
    CreateRun(1, uuid.uuid4(), "n", "", 0, {"mlflow.runName": "n"}).admit(state)
    error = refused(state, CreateRun(1, uuid.uuid4(), "", "", 0, {}))
    assert error.error_code == "RESOURCE_LIMIT_EXCEEDED"
    assert state.experiments[1].runs == 2


def test_two_names_for_one_run_are_refused(state):
    error = refused(state, CreateRun(1, uuid.uuid4(), "a", "", 0, {"mlflow.runName": "b"}))
    assert "different values (run_name='a', mlflow.runName='b')" in error.message


def test_an_experiment_name_is_taken_by_active_and_deleted_ones(state):
    state.new_experiment_ids = [3, 2]
    assert CreateExperiment("two", None, {"t": "1"}, 9).admit(state) == 2
    assert state.experiments[2].artifact_location == "mlflow-artifacts:/2"
    assert refused(state, CreateExperiment("two", None, {}, 9)).error_code == "RESOURCE_ALREADY_EXISTS"
    SetExperimentDeleted(2, deleted=True, now_ms=1).admit(state)
    assert refused(state, CreateExperiment("two", None, {}, 9)).error_code == "RESOURCE_ALREADY_EXISTS"
    assert refused(state, RenameExperiment(1, "two", 9)).error_code == "RESOURCE_ALREADY_EXISTS"
    assert refused(state, RenameExperiment(2, "three", 9)).error_code == "INVALID_STATE"
    RenameExperiment(1, "new", 9).admit(state)
    assert CreateExperiment("one", "s3://b/x", {}, 9).admit(state) == 3


def test_deleting_an_experiment_deletes_its_runs_and_restoring_restores_them(state):
    SetExperimentDeleted(1, deleted=True, now_ms=1).admit(state)
    assert refused(state, SetExperimentDeleted(1, deleted=True, now_ms=1)).status == 404
    assert "must be in the 'active' state" in refused(state, LogToRun(RUN_ID.hex, points(1))).message
    assert "must be in the 'active' state" in refused(state, SetExperimentTag(1, "k", "v")).message
    assert (
        "must be in the 'active' state" in refused(state, CreateRun(1, uuid.uuid4(), "", "", 0, {})).message
    )
    SetExperimentDeleted(1, deleted=False, now_ms=1).admit(state)
    LogToRun(RUN_ID.hex, points(1)).admit(state)
    assert state.lifecycles == [(1, True, 101), (1, False, 102)]


def test_experiment_tags_count_keys(state):
    for value in "ab":
        SetExperimentTag(1, "k", value).admit(state)
    assert refused(state, SetExperimentTag(1, "l", "v")).error_code == "RESOURCE_LIMIT_EXCEEDED"
    assert refused(state, DeleteExperimentTag(1, "l")).status == 404
    DeleteExperimentTag(1, "k").admit(state)
    SetExperimentTag(1, "l", "v").admit(state)
    assert state.experiments[1].tags == 1


def test_positions_follow_the_head(state):
    LogToRun(RUN_ID.hex, points(1)).admit(state)
    LogToRun(RUN_ID.hex, tags={"t": "1"}).admit(state)
    assert state.touched_runs[RUN_ID] == 102
    assert state.touched_experiments[1] == 102


def test_a_point_measured_on_a_model_concerns_the_model_s_experiment_too(state):
    state.models["m-1"] = Model("m-1", 2)
    links = (
        MetricLink(0, "m-1", None, None),
        MetricLink(0, "m-none", None, None),
        MetricLink(0, None, "d", "x"),
    )
    LogToRun(RUN_ID.hex, points(1), links=links).admit(state)
    assert state.touched_experiments == {1: 101, 2: 101}


def tenant(name: str, workspace: str) -> Caller:
    """Who manages a workspace, and asks to edit something."""
    rights = SimpleNamespace(floor=Level.MANAGE, may_create=True)
    return Caller(name, workspace, Need.EDIT, rights)  # type: ignore[arg-type] # what admission asks of rights


def test_what_a_tenant_makes_is_not_there_for_another_of_the_same_group(state):
    state.caller = tenant("ada", "lab")
    state.new_experiment_ids = [7]
    assert CreateExperiment("new", None, {}, 0, "lab").admit(state) == 7
    run = CreateRun(7, uuid.uuid4(), "", "", 0, {})
    state.caller = tenant("eve", "elsewhere")
    assert not state.sees(7)
    assert refused(state, run).message == "No Experiment with id=7 exists"
    # A colleague has what the workspace gives; whoever made it manages it.
    state.caller = tenant("bob", "lab")
    run.admit(state)


def test_a_full_bucket_does_not_tell_strangers_of_an_experiment(state):
    full = Meter("experiment", "1", "points_per_second", 5, used=10**6, at_s=0)
    state.tally = Tally(meters={("experiment", "1", "points_per_second"): full})
    begin = {"experiment_id": "1", "start_ms": 0}
    runs = [
        {"run_id": RUN_ID.hex, "points": series(loss=[1.0])},
        {"run_id": uuid.uuid4().hex, "begin": begin, "points": series(loss=[1.0])},
    ]
    body = msgpack.packb({"producer": uuid.uuid4().bytes, "sequence": 1, "runs": runs})
    state.caller = tenant("eve", "elsewhere")
    answer = NativeBatch(native_wire.decode(body), 0, 0, "elsewhere").admit(state)
    assert [rejection.message for rejection in answer.rejected] == [
        f"Run with id={RUN_ID.hex} not found",
        "No Experiment with id=1 exists",
    ]
