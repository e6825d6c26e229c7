"""Commands about what people and programs say of traces: feedback, expectations, issues."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tracklog_contract.errors import INVALID, NOT_FOUND, QUOTA, Rejected
from tracklog_contract.events import NewEntry
from tracklog_contract.limits import ASSESSMENT_BYTES_MAX, TRACE_ASSESSMENTS_MAX
from tracklog_contract.trace_events import AssessmentDeleted, AssessmentSet
from tracklog_ingest.state import State, Wants
from tracklog_ingest.trace_state import Trace


@dataclass
class OfAssessedTrace:
    """What commands about a trace's assessments share."""

    trace_id: str
    payload_bytes: int = field(default=0, kw_only=True)

    def wants(self, wants: Wants) -> None:
        """The trace with all that is said about it."""
        wants.traces.add(self.trace_id)
        wants.assessed_traces.add(self.trace_id)


@dataclass
class CreateAssessment(OfAssessedTrace):
    """Answers the stored document. One that overrides another makes that one invalid."""

    document: dict[str, Any]

    def admit(self, state: State) -> dict[str, Any]:
        """Refused for an unknown trace or overridden assessment, a doubled id, and one too many."""
        trace = state.trace(self.trace_id)
        others = state.traces.assessments_of(self.trace_id)
        if self.document["assessment_id"] in others:
            raise Rejected(INVALID, f"The assessment's id is taken for trace '{self.trace_id}'.")
        overridden = self.document.get("overrides")
        if overridden and overridden not in others:
            raise Rejected(
                NOT_FOUND, f"Assessment with ID '{overridden}' not found for trace '{self.trace_id}'"
            )
        _check(self.document, others)
        if overridden:
            set_assessment(state, trace, {**others[overridden], "valid": False})
        set_assessment(state, trace, self.document)
        return self.document


@dataclass
class UpdateAssessment(OfAssessedTrace):
    """Answers the stored document. `changes` holds what is new; metadata is added to what is there."""

    assessment_id: str
    changes: Mapping[str, Any]
    now_ms: int

    def admit(self, state: State) -> dict[str, Any]:
        """Refused for an unknown trace or assessment, and for a value of another kind."""
        document = _known(state, self.trace_id, self.assessment_id)
        changes = dict(self.changes)
        for kind in ("expectation", "feedback"):
            if kind in changes and kind not in document:
                raise Rejected(INVALID, f"Cannot update {kind} value on {_another(document)} assessment.")
        if "metadata" in changes:
            changes["metadata"] = {**document.get("metadata", {}), **changes["metadata"]}
        updated = {**document, **changes, "last_update_time": self.now_ms}
        _check(updated, {})
        set_assessment(state, state.trace(self.trace_id), updated)
        return updated


@dataclass
class DeleteAssessment(OfAssessedTrace):
    """Answers nothing. What it did override is valid again; one that is not there is gone already."""

    assessment_id: str

    def admit(self, state: State) -> None:
        """Refused for an unknown trace."""
        trace = state.trace(self.trace_id)
        documents = state.traces.assessments_of(self.trace_id)
        document = documents.get(self.assessment_id)
        if document is None:
            return
        overridden = documents.get(document.get("overrides", ""))
        if overridden is not None and overridden is not document:
            set_assessment(state, trace, {**overridden, "valid": True})
        trace.position = state.append(
            NewEntry(AssessmentDeleted(self.trace_id, self.assessment_id), trace.experiment_id)
        )
        state.traces.delete_assessment(self.trace_id, self.assessment_id)


def set_assessment(state: State, trace: Trace, document: dict[str, Any]) -> None:
    """Append an assessment as it is now."""
    event = AssessmentSet(trace.trace_id, document["assessment_id"], msgspec.json.encode(document).decode())
    trace.position = state.append(NewEntry(event, trace.experiment_id))
    state.traces.set_assessment(trace.trace_id, document)


def _another(document: Mapping[str, Any]) -> str:
    kinds = {"feedback": "a Feedback", "expectation": "an Expectation"}
    return next((name for kind, name in kinds.items() if kind in document), "an IssueReference")


def _known(state: State, trace_id: str, assessment_id: str) -> dict[str, Any]:
    absent = Rejected(NOT_FOUND, f"Trace with request_id '{trace_id}' not found")
    trace = state.traces.traces.get(trace_id)
    if trace is None:
        raise absent
    state.check(trace.experiment_id, absent)
    document = state.traces.assessments_of(trace_id).get(assessment_id)
    if document is None:
        raise Rejected(NOT_FOUND, f"Assessment with ID '{assessment_id}' not found for trace '{trace_id}'")
    return document


def _check(document: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    if len(others) >= TRACE_ASSESSMENTS_MAX:
        raise Rejected(QUOTA, f"A trace can have at most {TRACE_ASSESSMENTS_MAX} assessments.")
    check_size(document)


def check_size(document: Mapping[str, Any]) -> None:
    """Accept an assessment's size. Raises: Rejected."""
    if len(msgspec.json.encode(document)) > ASSESSMENT_BYTES_MAX:
        raise Rejected(INVALID, f"An assessment can have at most {ASSESSMENT_BYTES_MAX} bytes.")
