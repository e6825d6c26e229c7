"""The events of traces: what a client says of one as a whole, its spans, and what is said about it.

An entry's experiment is where the trace lies once the event has happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from tracklog_contract.events import Event


@dataclass(frozen=True)
class TraceStarted(Event):
    """A client described a trace: a new one, or one whose spans came before. Times in ms (since 1970).

    Of a trace that is there, what stands here replaces what was known; absent texts and keys stay.
    """

    kind: ClassVar[int] = 30
    trace_id: str
    request_ms: int
    state: str
    duration_ms: int | None = None
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SpansRecorded(Event):
    """Spans of one trace, with their scopes and resources: the bytes of an OTLP `TracesData`.

    `tags` are those that come with them; they also make the trace when it is not there.
    """

    kind: ClassVar[int] = 31
    trace_id: str
    spans: bytes
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TraceEnded(Event):
    """A trace that was begun before it was over (MLflow 2) has ended."""

    kind: ClassVar[int] = 32
    trace_id: str
    end_ms: int
    state: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TraceTagSet(Event):
    """A trace's tag has this value."""

    kind: ClassVar[int] = 33
    trace_id: str
    key: str
    value: str


@dataclass(frozen=True)
class TraceTagDeleted(Event):
    """A trace's tag is gone."""

    kind: ClassVar[int] = 34
    trace_id: str
    key: str


@dataclass(frozen=True)
class TracesDeleted(Event):
    """These traces are gone, with all that was said about them."""

    kind: ClassVar[int] = 35
    trace_ids: tuple[str, ...]

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        return cls(tuple(packed["trace_ids"]))


@dataclass(frozen=True)
class AssessmentSet(Event):
    """A feedback, an expectation or an issue is as `document` says: MLflow's Assessment, as JSON."""

    kind: ClassVar[int] = 36
    trace_id: str
    assessment_id: str
    document: str


@dataclass(frozen=True)
class AssessmentDeleted(Event):
    """An assessment is gone."""

    kind: ClassVar[int] = 37
    trace_id: str
    assessment_id: str


@dataclass(frozen=True)
class TracesLinked(Event):
    """The entry's run has to do with these traces, which need not be there yet."""

    kind: ClassVar[int] = 38
    trace_ids: tuple[str, ...]

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        return cls(tuple(packed["trace_ids"]))


TRACE_EVENT_TYPES: tuple[type[Event], ...] = (
    TraceStarted,
    SpansRecorded,
    TraceEnded,
    TraceTagSet,
    TraceTagDeleted,
    TracesDeleted,
    AssessmentSet,
    AssessmentDeleted,
    TracesLinked,
)
