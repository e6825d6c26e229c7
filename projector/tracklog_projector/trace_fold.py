"""Folds the events of traces: those of a batch are read, changed in the log's order, and written."""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData

from tracklog_contract.events import Event, StoredEntry
from tracklog_contract.spans import ReadSpan, read_spans, storable
from tracklog_contract.sqlfiles import statements
from tracklog_contract.trace_answers import TraceView
from tracklog_contract.trace_events import (
    TRACE_EVENT_TYPES,
    AssessmentDeleted,
    AssessmentSet,
    SpansRecorded,
    TraceEnded,
    TracesDeleted,
    TracesLinked,
    TraceStarted,
    TraceTagDeleted,
    TraceTagSet,
)
from tracklog_contract.trace_keys import COST, SESSION, SPAN_COST, SPAN_USAGE, TOKEN_USAGE
from tracklog_contract.trace_usage import Node, amounts
from tracklog_projector.trace_change import ended, with_spans, with_start

SQL = statements("tracklog_projector")
_STATED: Final = {TOKEN_USAGE: SPAN_USAGE, COST: SPAN_COST}
# What writes and deletes tags, then metadata.
_OF_KEYS: Final = (
    ("upsert_trace_tag", "delete_trace_tag"),
    ("upsert_trace_metadata", "delete_trace_metadata"),
)
Pair = tuple[str, str]


class TraceFold:
    """The trace events of one batch of entries, inside the caller's transaction."""

    def __init__(self) -> None:
        self._entries: list[tuple[StoredEntry, Any]] = []
        self._traces: dict[str, TraceView] = {}
        self._changed: set[str] = set()
        self._before: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._cleared: set[str] = set()
        self._spans: dict[Pair, ReadSpan] = {}
        self._nodes: dict[str, dict[str, list[Any]]] = {}
        self._assessments: dict[Pair, str | None] = {}
        self._links: set[tuple[uuid.UUID, str]] = set()

    def take(self, entry: StoredEntry, event: Event) -> bool:
        """Gather an event of a trace; False for any other."""
        if not isinstance(event, TRACE_EVENT_TYPES):
            return False
        self._entries.append((entry, event))
        return True

    async def write(self, connection: Any) -> None:
        """Write everything that was gathered. Call once, at the end of the batch."""
        if not self._entries:
            return
        read = [
            (entry, event, list(read_spans(event.spans)) if isinstance(event, SpansRecorded) else [])
            for entry, event in self._entries
        ]
        await self._load(connection, read)
        for entry, event, spans in read:
            self._apply(entry, event, spans)
        await self._save(connection)

    async def _load(self, connection: Any, read: Sequence[tuple[StoredEntry, Any, list[ReadSpan]]]) -> None:
        ids = list({event.trace_id for _, event, _ in read if hasattr(event, "trace_id")})
        self._traces = await load_traces(connection, ids)
        self._before = {
            trace_id: (dict(trace.tags), dict(trace.metadata)) for trace_id, trace in self._traces.items()
        }
        summed = {
            event.trace_id
            for _, event, spans in read
            if any(key in span.attributes for span in spans for key in _STATED.values())
        }
        for row in await connection.fetch(SQL["get_span_nodes"], list(summed & self._traces.keys())):
            nodes = self._nodes.setdefault(row["trace_id"], {})
            nodes[row["span_id"]] = [row["parent_id"], row["usage"], row["cost"]]

    def _apply(self, entry: StoredEntry, event: Any, spans: list[ReadSpan]) -> None:
        match event:
            case TracesDeleted():
                self._delete(set(event.trace_ids))
                return
            case TracesLinked():
                assert entry.run_id is not None
                self._links.update((entry.run_id, trace_id) for trace_id in event.trace_ids)
                return
            case AssessmentSet():
                self._assessments[event.trace_id, event.assessment_id] = event.document
                return
            case AssessmentDeleted():
                self._assessments[event.trace_id, event.assessment_id] = None
                return
        changed = self._changed_trace(entry, event, spans)
        if changed is not None:
            self._traces[event.trace_id] = changed
            self._changed.add(event.trace_id)

    def _changed_trace(self, entry: StoredEntry, event: Any, spans: list[ReadSpan]) -> TraceView | None:
        trace = self._traces.get(event.trace_id)
        match event:
            case TraceStarted():
                return with_start(trace, entry.experiment_id, event)
            case SpansRecorded():
                self._spans.update(((event.trace_id, span.span_id), span) for span in spans)
                stated = self._stated(event.trace_id, spans)
                return with_spans(trace, entry.experiment_id, event, spans, stated)
        if trace is None:
            return None
        match event:
            case TraceEnded():
                return ended(trace, event)
            case TraceTagSet():
                trace.tags = {**trace.tags, event.key: event.value}
            case TraceTagDeleted():
                trace.tags = {key: value for key, value in trace.tags.items() if key != event.key}
        return trace

    def _stated(self, trace_id: str, spans: list[ReadSpan]) -> dict[str, list[Node]]:
        """What all spans of the trace state, by metadata key, where these, the latest, state something."""
        nodes = self._nodes.setdefault(trace_id, {})
        for span in spans:
            nodes[span.span_id] = [span.parent_id, *_stated_texts(span)]
        return {
            key: [Node(span_id, node[0], amounts(node[place], key)) for span_id, node in nodes.items()]
            for place, (key, attribute) in enumerate(_STATED.items(), start=1)
            if any(amounts(span.value(attribute), key) for span in spans)
        }

    def _delete(self, trace_ids: set[str]) -> None:
        self._cleared |= trace_ids
        self._changed -= trace_ids
        for trace_id in trace_ids:
            self._traces.pop(trace_id, None)
            self._before.pop(trace_id, None)
            self._nodes.pop(trace_id, None)
        self._spans = {pair: span for pair, span in self._spans.items() if pair[0] not in trace_ids}
        self._assessments = {
            pair: document for pair, document in self._assessments.items() if pair[0] not in trace_ids
        }

    async def _save(self, connection: Any) -> None:
        if self._cleared:
            await connection.execute(SQL["delete_traces"], list(self._cleared))
        changed = [self._traces[trace_id] for trace_id in self._changed]
        await _write(connection, "upsert_traces", [_trace_row(trace) for trace in changed])
        for place, (upsert, delete) in enumerate(_OF_KEYS):
            new, gone = self._differences(changed, place)
            await _write(connection, upsert, new)
            await _write(connection, delete, gone)
        await _write(connection, "upsert_spans", [_span_row(span) for span in self._spans.values()])
        said = [(*pair, document) for pair, document in self._assessments.items() if document is not None]
        await _write(connection, "upsert_assessments", [_assessment_row(*row) for row in said])
        unsaid = [pair for pair, document in self._assessments.items() if document is None]
        await _write(connection, "delete_assessments", unsaid)
        await _write(connection, "insert_trace_runs", list(self._links))

    def _differences(
        self, changed: Iterable[TraceView], place: int
    ) -> tuple[list[tuple[str, str, str]], list[Pair]]:
        """Which keys of traces are new or changed, and which are gone."""
        new: list[tuple[str, str, str]] = []
        gone: list[Pair] = []
        for trace in changed:
            before = self._before.get(trace.trace_id, ({}, {}))[place]
            now = (trace.tags, trace.metadata)[place]
            new += [(trace.trace_id, key, text) for key, text in now.items() if before.get(key) != text]
            gone += [(trace.trace_id, key) for key in before if key not in now]
        return new, gone


async def load_traces(connection: Any, trace_ids: Sequence[str]) -> dict[str, TraceView]:
    """The traces with these ids that there are, without what is said about them."""
    rows = await connection.fetch(SQL["get_traces"], trace_ids)
    traces = {row["trace_id"]: TraceView(*row) for row in rows}
    tags: dict[str, dict[str, str]] = {}
    metadata: dict[str, dict[str, str]] = {}
    if traces:
        for statement, found in (("get_trace_tags", tags), ("get_trace_metadata", metadata)):
            for trace_id, key, value in await connection.fetch(SQL[statement], list(traces)):
                found.setdefault(trace_id, {})[key] = value
    for trace_id, trace in traces.items():
        trace.tags, trace.metadata = tags.get(trace_id, {}), metadata.get(trace_id, {})
    return traces


async def _write(connection: Any, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        await connection.execute(SQL[statement], *zip(*rows, strict=True))


def _trace_row(trace: TraceView) -> tuple[Any, ...]:
    return (
        trace.trace_id, trace.experiment_id, trace.request_ms, trace.state, trace.duration_ms,
        trace.client_request_id, trace.request_preview, trace.response_preview,
    )  # fmt: skip


def _span_row(span: ReadSpan) -> tuple[Any, ...]:
    whole = TracesData(
        resource_spans=[ResourceSpans(resource=span.resource, scope_spans=[ScopeSpans(spans=[span.proto])])]
    )
    return (
        span.trace_id, span.span_id, span.parent_id, storable(span.proto.name), span.type, span.status,
        span.proto.start_time_unix_nano, span.content, *_stated_texts(span), whole.SerializeToString(),
    )  # fmt: skip


def _stated_texts(span: ReadSpan) -> list[str | None]:
    """The tokens and costs that a span states, as JSON texts."""
    found = (amounts(span.value(attribute), key) for key, attribute in _STATED.items())
    return [json.dumps(stated) if stated else None for stated in found]


def _assessment_row(trace_id: str, assessment_id: str, document: str) -> tuple[Any, ...]:
    said = json.loads(document)
    kind = next(kind for kind in ("feedback", "expectation", "issue") if kind in said)
    value = said[kind]["issue_name"] if kind == "issue" else said[kind]["value"]
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return (
        trace_id, assessment_id, kind, said["assessment_name"], json.dumps(value), number, said["valid"],
        SESSION in said.get("metadata", {}), document,
    )  # fmt: skip
