"""Commands that make, change, delete and link traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_contract.events import Event, NewEntry
from tracklog_contract.ids import parse_run_id
from tracklog_contract.locations import below
from tracklog_contract.trace_events import (
    SpansRecorded,
    TraceEnded,
    TracesDeleted,
    TracesLinked,
    TraceStarted,
    TraceTagDeleted,
    TraceTagSet,
)
from tracklog_contract.trace_keys import ARTIFACT_LOCATION_TAG, SPANS_HERE, SPANS_LOCATION_TAG
from tracklog_ingest.assessments import set_assessment
from tracklog_ingest.state import Experiment, Run, State, Wants
from tracklog_ingest.trace_state import Trace

# Ids in one event; a deletion of more is several events of one append.
DELETED_AT_ONCE = 1000


@dataclass
class StartTrace:
    """Answers whether the trace was there before, and where its artifacts lie."""

    experiment_id: int
    event: TraceStarted
    assessments: Sequence[dict[str, Any]] = ()
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment and the trace; what is said about it, when more is."""
        wants.experiments.add(self.experiment_id)
        wants.traces.add(self.event.trace_id)
        if self.assessments:
            wants.assessed_traces.add(self.event.trace_id)

    def admit(self, state: State) -> tuple[bool, str]:
        """Refused in an unknown or deleted experiment, and for a trace whose spans are kept elsewhere."""
        experiment = state.experiment(self.experiment_id)
        experiment.check_active()
        trace_id = self.event.trace_id
        known = state.traces.traces.get(trace_id)
        if known is not None:
            state.check_trace(known)
            known.check_here()
        location = artifact_location(experiment, trace_id)
        event = _with_tags(self.event, {**self.event.tags, ARTIFACT_LOCATION_TAG: location})
        trace = known or Trace(trace_id, self.experiment_id)
        left = trace.experiment_id
        trace.experiment_id = self.experiment_id
        position = append(state, trace, event)
        # Whoever reads where it was must see that it is gone.
        state.touched_experiments[left] = position
        _set_tags(state, trace, event.tags)
        for document in self.assessments:
            set_assessment(state, trace, document)
        return known is not None, location


def _with_tags(event: TraceStarted, tags: Mapping[str, str]) -> TraceStarted:
    return TraceStarted(**{**vars(event), "tags": tags})


@dataclass(frozen=True)
class TraceSpans:
    """One trace's part of a request. `ended`: its root is among the spans."""

    trace_id: str
    spans: bytes
    tags: Mapping[str, str]
    ended: bool


@dataclass
class RecordSpans:
    """Answers nothing. Traces that are not there are made; those that ended are linked to the run, if any."""

    experiment_id: int
    parts: Sequence[TraceSpans]
    run_id: str = ""
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment, the traces, the run."""
        wants.experiments.add(self.experiment_id)
        wants.traces.update(part.trace_id for part in self.parts)
        if run_id := parse_run_id(self.run_id):
            wants.runs.add(run_id)

    def admit(self, state: State) -> None:
        """Refused whole in an unknown experiment, and for a trace whose spans are kept elsewhere."""
        known = {part.trace_id: state.traces.traces.get(part.trace_id) for part in self.parts}
        if None in known.values():
            state.experiment(self.experiment_id)
        for trace in known.values():
            if trace is not None:
                state.check_trace(trace)
                trace.check_here()
        run = self._run(state)
        for part in self.parts:
            self._record(state, part, known[part.trace_id])
        ended = tuple(part.trace_id for part in self.parts if part.ended)
        if run is not None and ended:
            state.append(NewEntry(TracesLinked(ended), run.experiment_id, run.run_id))

    def _record(self, state: State, part: TraceSpans, known: Trace | None) -> None:
        tags = {SPANS_LOCATION_TAG: SPANS_HERE, **part.tags}
        if known is None:
            experiment = state.experiment(self.experiment_id)
            tags[ARTIFACT_LOCATION_TAG] = artifact_location(experiment, part.trace_id)
        trace = known or Trace(part.trace_id, self.experiment_id)
        append(state, trace, SpansRecorded(part.trace_id, part.spans, tags))
        _set_tags(state, trace, tags)

    def _run(self, state: State) -> Run | None:
        run_id = parse_run_id(self.run_id)
        run = state.runs.get(run_id) if run_id else None
        return state.run(self.run_id) if run is not None and state.sees(run.experiment_id) else None


@dataclass
class RecordData(RecordSpans):
    """All spans of one trace, which must be there; answers nothing."""

    def admit(self, state: State) -> None:
        """Refused also for an unknown trace."""
        for part in self.parts:
            state.trace(part.trace_id)
        super().admit(state)


@dataclass
class OfTrace:
    """What commands about one existing trace share."""

    trace_id: str
    payload_bytes: int = field(default=0, kw_only=True)

    def wants(self, wants: Wants) -> None:
        """The trace."""
        wants.traces.add(self.trace_id)


@dataclass
class EndTrace(OfTrace):
    """Answers nothing."""

    end_ms: int
    state: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]

    def admit(self, state: State) -> None:
        """Refused for an unknown trace."""
        trace = state.trace(self.trace_id)
        append(state, trace, TraceEnded(self.trace_id, self.end_ms, self.state, self.metadata, self.tags))
        _set_tags(state, trace, self.tags)


@dataclass
class SetTraceTag(OfTrace):
    """Answers nothing."""

    key: str
    value: str

    def admit(self, state: State) -> None:
        """Refused for an unknown trace."""
        trace = state.trace(self.trace_id)
        append(state, trace, TraceTagSet(self.trace_id, self.key, self.value))
        _set_tags(state, trace, {self.key: self.value})


@dataclass
class DeleteTraceTag(OfTrace):
    """Answers nothing."""

    key: str

    def wants(self, wants: Wants) -> None:
        """The trace; is the key set."""
        super().wants(wants)
        wants.trace_tags.add((self.trace_id, self.key))

    def admit(self, state: State) -> None:
        """Refused for an unknown trace, and for a key that is not set."""
        trace = state.trace(self.trace_id)
        if (self.trace_id, self.key) not in state.traces.tags:
            raise Rejected(
                NOT_FOUND, f"No trace tag with key '{self.key}' for trace with ID '{self.trace_id}'"
            )
        append(state, trace, TraceTagDeleted(self.trace_id, self.key))
        state.traces.tags.remove((self.trace_id, self.key))


@dataclass
class DeleteTraces:
    """Answers how many of the traces were there, in this experiment, and are gone."""

    experiment_id: int
    trace_ids: Sequence[str]
    payload_bytes: int = 0
    principal: str = ""

    def wants(self, wants: Wants) -> None:
        """The experiment and the traces. What goes with them is deleted unread."""
        wants.experiments.add(self.experiment_id)
        wants.traces.update(self.trace_ids)

    def admit(self, state: State) -> int:
        """Refused only to whom the experiment is not open."""
        if not state.sees(self.experiment_id):
            return 0
        if self.experiment_id in state.experiments:
            state.experiment(self.experiment_id)
        known = (state.traces.traces.get(trace_id) for trace_id in dict.fromkeys(self.trace_ids))
        there = [trace for trace in known if trace and trace.experiment_id == self.experiment_id]
        for begin in range(0, len(there), DELETED_AT_ONCE):
            trace_ids = tuple(trace.trace_id for trace in there[begin : begin + DELETED_AT_ONCE])
            event = TracesDeleted(trace_ids)
            state.append(NewEntry(event, self.experiment_id, principal=self.principal))
        for trace in there:
            state.traces.forget(trace.trace_id)
        return len(there)


@dataclass
class LinkTraces:
    """Answers nothing. Traces that are not there are linked once they are."""

    run_id: str
    trace_ids: Sequence[str]
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The run, and the traces."""
        if run_id := parse_run_id(self.run_id):
            wants.runs.add(run_id)
        wants.traces.update(self.trace_ids)

    def admit(self, state: State) -> None:
        """Refused for an unknown run."""
        run = state.run(self.run_id)
        known = (state.traces.traces.get(trace_id) for trace_id in self.trace_ids)
        seen = [trace for trace in known if trace and state.sees(trace.experiment_id)]
        for trace in seen:
            state.check_trace(trace)
        position = state.append(NewEntry(TracesLinked(tuple(self.trace_ids)), run.experiment_id, run.run_id))
        for trace in seen:
            trace.position = position
            state.touched_experiments[trace.experiment_id] = position


def artifact_location(experiment: Experiment, trace_id: str) -> str:
    """Where a client puts what it does not send as spans."""
    return below(experiment.artifact_location, f"traces/{trace_id}/artifacts")


def append(state: State, trace: Trace, event: Event) -> int:
    """Append an event of `trace`, and note where the trace's last entry is."""
    trace.position = state.append(NewEntry(event, trace.experiment_id))
    state.traces.traces[trace.trace_id] = trace
    return trace.position


def _set_tags(state: State, trace: Trace, tags: Mapping[str, str]) -> None:
    for key in tags:
        state.traces.tags.add((trace.trace_id, key))
    if SPANS_LOCATION_TAG in tags:
        trace.elsewhere = tags[SPANS_LOCATION_TAG] != SPANS_HERE
