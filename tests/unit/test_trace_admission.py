"""Admission's decisions about traces on a state in memory, and whose readers must wait for them."""

import uuid

import pytest

from tracklog_contract.errors import INVALID_STATE, NOT_FOUND, Rejected
from tracklog_contract.limits import QUOTAS
from tracklog_contract.trace_events import SpansRecorded, TraceStarted
from tracklog_contract.trace_keys import ARTIFACT_LOCATION_TAG, SPANS_HERE, SPANS_LOCATION_TAG
from tracklog_ingest.assessments import CreateAssessment, DeleteAssessment
from tracklog_ingest.state import Experiment, Run, State
from tracklog_ingest.trace_state import Trace
from tracklog_ingest.traces import (
    DeleteTraces,
    DeleteTraceTag,
    LinkTraces,
    RecordSpans,
    SetTraceTag,
    StartTrace,
    TraceSpans,
)

RUN_ID = uuid.UUID(hex="ab" * 16)


@pytest.fixture
def state() -> State:
    """Two experiments, a run of the first, and a trace of each."""
    state = State(QUOTAS["default"], position=100)
    for number in (1, 2):
        state.experiments[number] = Experiment(number, "default", f"e{number}", f"mlflow-artifacts:/{number}")
        state.traces.traces[f"t{number}"] = Trace(f"t{number}", number)
    state.runs[RUN_ID] = Run(RUN_ID, 1, "name", "", "mlflow-artifacts:/1/r/artifacts", 1, 0)
    return state


def refused(state: State, command) -> Rejected:
    """The refusal of `command`, which must have left nothing."""
    with pytest.raises(Rejected) as caught:
        command.admit(state)
    assert state.entries == []
    assert not state.traces.tags.added
    assert not state.touched_experiments
    return caught.value


def part(trace_id: str, *, ended: bool = True) -> TraceSpans:
    return TraceSpans(trace_id, b"", {"k": "v"}, ended)


def said(assessment_id: str, **more: str) -> dict[str, object]:
    return {"assessment_id": assessment_id, "valid": True, "feedback": {"value": 1}, **more}


def test_a_moved_trace_is_waited_for_where_it_was_and_where_it_is(state):
    known, location = StartTrace(2, TraceStarted("t1", 0, "OK")).admit(state)
    assert (known, location) == (True, "mlflow-artifacts:/2/traces/t1/artifacts")
    assert state.touched_experiments == {1: 101, 2: 101}
    assert state.traces.traces["t1"].experiment_id == 2
    assert state.entries[0].experiment_id == 2
    assert state.entries[0].event.tags == {ARTIFACT_LOCATION_TAG: location}


def test_spans_make_the_traces_that_are_not_there_and_stay_where_a_trace_is(state):
    RecordSpans(2, [part("t1"), part("new")], RUN_ID.hex).admit(state)
    first, second, link = state.entries
    assert (first.experiment_id, second.experiment_id, link.run_id) == (1, 2, RUN_ID)
    assert isinstance(second.event, SpansRecorded)
    assert second.event.tags == {
        "k": "v",
        SPANS_LOCATION_TAG: SPANS_HERE,
        ARTIFACT_LOCATION_TAG: "mlflow-artifacts:/2/traces/new/artifacts",
    }
    assert ARTIFACT_LOCATION_TAG not in first.event.tags
    assert link.event.trace_ids == ("t1", "new")


def test_one_trace_that_takes_no_spans_spoils_the_request(state):
    state.traces.traces["t2"].elsewhere = True
    assert refused(state, RecordSpans(1, [part("t1"), part("t2")])).error_code == INVALID_STATE
    assert refused(state, RecordSpans(7, [part("t1"), part("new")])).error_code == NOT_FOUND
    # An experiment that is not there does not matter to a trace that is.
    RecordSpans(7, [part("t1", ended=False)]).admit(state)
    assert len(state.entries) == 1


def test_a_deletion_takes_only_what_is_in_its_experiment(state):
    SetTraceTag("t1", "k", "v").admit(state)
    assert DeleteTraces(1, ["t1", "t2", "t1", "none"]).admit(state) == 1
    assert state.entries[-1].event.trace_ids == ("t1",)
    assert state.traces.forgotten == {"t1"}
    assert not state.traces.tags.added
    with pytest.raises(Rejected):
        DeleteTraceTag("t1", "k").admit(state)
    assert DeleteTraces(1, ["t1"]).admit(state) == 0


def test_a_trace_deleted_and_made_again_in_one_group_has_only_what_came_after(state):
    SetTraceTag("t1", "before", "v").admit(state)
    CreateAssessment("t1", said("a1")).admit(state)
    DeleteTraces(1, ["t1"]).admit(state)
    StartTrace(1, TraceStarted("t1", 0, "OK")).admit(state)
    SetTraceTag("t1", "after", "v").admit(state)
    CreateAssessment("t1", said("a2")).admit(state)
    assert {key for _, key in state.traces.tags.added} == {ARTIFACT_LOCATION_TAG, "after"}
    assert set(state.traces.assessments_of("t1")) == {"a2"}
    assert state.traces.set_assessments == {("t1", "a2")}


def test_links_are_waited_for_where_the_traces_are(state):
    LinkTraces(RUN_ID.hex, ["t2", "none"]).admit(state)
    assert state.touched_experiments == {1: 101, 2: 101}
    assert state.traces.traces["t2"].position == 101
    assert state.touched_runs == {RUN_ID: 101}


def test_deleting_what_overrides_makes_the_overridden_valid_again(state):
    CreateAssessment("t1", said("a1")).admit(state)
    CreateAssessment("t1", said("a2", overrides="a1")).admit(state)
    assert state.traces.assessments_of("t1")["a1"]["valid"] is False
    DeleteAssessment("t1", "a2").admit(state)
    assert state.traces.assessments_of("t1") == {"a1": {**said("a1"), "valid": True}}
    # Once more changes nothing.
    entries = len(state.entries)
    DeleteAssessment("t1", "a2").admit(state)
    assert len(state.entries) == entries
