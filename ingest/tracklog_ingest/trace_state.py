"""What admission knows of traces while it decides a group: only what must be answered at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tracklog_contract.errors import INVALID_STATE, NOT_FOUND, Rejected
from tracklog_contract.sqlfiles import statements
from tracklog_ingest.key_set import KeySet

SQL = statements("tracklog_ingest")


@dataclass(slots=True)
class Trace:
    """A trace as admission knows it. `elsewhere`: its spans are kept by someone else, not to come here."""

    trace_id: str
    experiment_id: int
    elsewhere: bool = False
    position: int = 0

    def check_here(self) -> None:
        """Raises: Rejected, when the trace's spans are kept elsewhere."""
        if self.elsewhere:
            raise Rejected(
                INVALID_STATE, f"Cannot update traces that are no longer DB-backed: '{self.trace_id}'."
            )


@dataclass
class TraceState:
    """The traces a group's commands read and change.

    `assessments` are MLflow's, whole, by id within traces; `forgotten` the traces deleted by this group.
    """

    traces: dict[str, Trace] = field(default_factory=dict)
    tags: KeySet = field(default_factory=KeySet)
    assessments: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    set_assessments: set[tuple[str, str]] = field(default_factory=set)
    deleted_assessments: set[tuple[str, str]] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)

    def trace(self, trace_id: str) -> Trace:
        """The trace with this id.

        Raises: Rejected, when there is none.
        """
        trace = self.traces.get(trace_id)
        if trace is None:
            raise Rejected(NOT_FOUND, f"Trace with ID '{trace_id}' not found.")
        return trace

    def assessments_of(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """A trace's assessments by id."""
        return dict(self.assessments.get(trace_id, {}))

    def set_assessment(self, trace_id: str, document: dict[str, Any]) -> None:
        """An assessment is so from now on."""
        pair = (trace_id, document["assessment_id"])
        self.assessments.setdefault(trace_id, {})[pair[1]] = document
        self.set_assessments.add(pair)
        self.deleted_assessments.discard(pair)

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """An assessment is gone from now on."""
        pair = (trace_id, assessment_id)
        del self.assessments[trace_id][assessment_id]
        self.set_assessments.discard(pair)
        self.deleted_assessments.add(pair)

    def forget(self, trace_id: str) -> None:
        """A trace is gone from now on, with its tags and assessments."""
        del self.traces[trace_id]
        self.forgotten.add(trace_id)
        self.tags.remove_owner(trace_id)
        for assessment_id in self.assessments_of(trace_id):
            self.delete_assessment(trace_id, assessment_id)


async def load_traces(
    connection: Any, trace_ids: Iterable[str], tags: Sequence[list[str]], assessed: Iterable[str]
) -> TraceState:
    """Read what a group wants to know of traces. `tags`: columns of trace ids and keys."""
    state = TraceState()
    for row in await connection.fetch(SQL["load_traces"], list(trace_ids)):
        state.traces[row["trace_id"]] = Trace(*row)
    if tags[0]:
        for row in await connection.fetch(SQL["load_trace_tags"], *tags):
            state.tags.read((row["trace_id"], row["key"]))
    if assessed:
        for row in await connection.fetch(SQL["load_assessments"], list(assessed)):
            documents = state.assessments.setdefault(row["trace_id"], {})
            documents[row["assessment_id"]] = msgspec.json.decode(row["document"])
    return state


async def save_traces(connection: Any, state: TraceState) -> None:
    """Write what a group changed of traces."""
    if state.forgotten:
        await connection.execute(SQL["forget_traces"], list(state.forgotten))
    traces = [trace for trace in state.traces.values() if trace.position]
    if traces:
        await connection.execute(
            SQL["save_traces"],
            [trace.trace_id for trace in traces],
            [trace.experiment_id for trace in traces],
            [trace.elsewhere for trace in traces],
            [trace.position for trace in traces],
        )
    for statement, pairs in (
        ("save_trace_tags", state.tags.added),
        ("delete_trace_tags", state.tags.removed),
        ("delete_assessments", state.deleted_assessments),
    ):
        if pairs:
            await connection.execute(SQL[statement], *map(list, zip(*pairs, strict=True)))
    if state.set_assessments:
        rows = [
            (trace_id, key, msgspec.json.encode(state.assessments[trace_id][key]).decode())
            for trace_id, key in state.set_assessments
        ]
        await connection.execute(SQL["save_assessments"], *map(list, zip(*rows, strict=True)))
