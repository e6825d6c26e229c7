"""What each event makes of a trace, by MLflow's rules: a client's word of the whole outdoes its spans."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeGuard

from tracklog_contract.limits import SESSION_ID_CHARS_MAX, TRACE_METADATA_CHARS_MAX
from tracklog_contract.spans import ReadSpan, parsed, storable
from tracklog_contract.trace_answers import TraceView
from tracklog_contract.trace_events import SpansRecorded, TraceEnded, TraceStarted
from tracklog_contract.trace_keys import (
    COST,
    FINALIZED,
    SESSION,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_SESSIONS,
    SPAN_USER,
    TOKEN_USAGE,
    USER,
)
from tracklog_contract.trace_usage import Node, amounts, merged, total

NS_PER_MS: Final = 1_000_000
PREVIEW_CHARS: Final = 1000
OPEN_STATES: Final = ("IN_PROGRESS", "STATE_UNSPECIFIED")


def with_start(trace: TraceView | None, experiment_id: int, event: TraceStarted) -> TraceView:
    """The trace as a client describes it; what it leaves out stays."""
    if trace is None:
        trace = TraceView(event.trace_id, experiment_id, event.request_ms, event.state)
    return replace(
        trace,
        experiment_id=experiment_id,
        request_ms=event.request_ms,
        state=event.state,
        duration_ms=event.duration_ms,
        client_request_id=event.client_request_id,
        request_preview=_either(event.request_preview, trace.request_preview),
        response_preview=_either(event.response_preview, trace.response_preview),
        metadata=_with_metadata(trace.metadata, event.metadata),
        tags={**trace.tags, **event.tags},
    )


def ended(trace: TraceView, event: TraceEnded) -> TraceView:
    """The trace after its end was told."""
    return replace(
        trace,
        duration_ms=event.end_ms - trace.request_ms,
        state=event.state,
        metadata=_with_metadata(trace.metadata, event.metadata),
        tags={**trace.tags, **event.tags},
    )


def with_spans(
    trace: TraceView | None,
    experiment_id: int,
    event: SpansRecorded,
    spans: Sequence[ReadSpan],
    stated: Mapping[str, Sequence[Node]],
) -> TraceView:
    """The trace with more spans; a new one is made of them alone.

    Args: stated: by metadata key what all spans of the trace state, for the keys of which these state some.
    """
    begin = min(span.proto.start_time_unix_nano for span in spans) // NS_PER_MS
    end = max(span.proto.end_time_unix_nano for span in spans) // NS_PER_MS or None
    roots = [span for span in spans if span.parent_id is None]
    session = _session(spans)
    if trace is None:
        trace = TraceView(event.trace_id, experiment_id, begin, "IN_PROGRESS")
    metadata = dict(trace.metadata)
    finalized = FINALIZED in metadata
    changed = replace(trace, tags={**trace.tags, **event.tags})
    # MLflow asks whether the times are final only for spans that state tokens, costs or a session.
    if not (finalized and (stated or session)):
        changed.request_ms, changed.duration_ms = _times(trace, begin, end)
    if trace.state in OPEN_STATES and roots:
        changed.state = "ERROR" if roots[0].status == "ERROR" else "OK"
    for key, nodes in stated.items():
        sums = total(nodes, key)
        if sums and not (finalized and key in metadata):
            metadata[key] = merged(metadata.get(key), sums, key)
    if session:
        metadata.setdefault(SESSION, session)
    if user := _text(spans, SPAN_USER):
        metadata.setdefault(USER, user[:TRACE_METADATA_CHARS_MAX])
    changed.metadata = metadata
    if roots:
        changed.request_preview = _either(trace.request_preview, _preview(roots[-1], SPAN_INPUTS, "user"))
        changed.response_preview = _either(
            trace.response_preview, _preview(roots[-1], SPAN_OUTPUTS, "assistant")
        )
    return changed


def _times(trace: TraceView, begin: int, end: int | None) -> tuple[int, int | None]:
    """When the trace begins and how long it takes, with spans from `begin` to `end`."""
    first = min(trace.request_ms, begin)
    if end is None:
        return first, trace.duration_ms
    last = end if trace.duration_ms is None else max(trace.request_ms + trace.duration_ms, end)
    return first, last - first


def _with_metadata(known: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    both = {**known, **new}
    for key in (TOKEN_USAGE, COST):
        if key in known and key in new:
            both[key] = merged(known[key], amounts(new[key], key) or {}, key)
    return both


def _session(spans: Sequence[ReadSpan]) -> str:
    for span in spans:
        for key in SPAN_SESSIONS:
            if text := _text([span], key):
                return text[:SESSION_ID_CHARS_MAX]
    return ""


def _text(spans: Sequence[ReadSpan], key: str) -> str:
    values = (span.value(key) for span in spans)
    return next((storable(value) for value in values if isinstance(value, str) and value), "")


def _either(first: str | None, second: str | None) -> str | None:
    return second if first is None else first


def _preview(root: ReadSpan, key: str, role: str) -> str | None:
    """The beginning of what a trace was asked or answered: of a chat its last message of that role."""
    text = root.attributes.get(key)
    if not text:
        return None
    content = storable(_message(parsed(text), role)) or text
    return content if len(content) <= PREVIEW_CHARS else content[: PREVIEW_CHARS - 3] + "..."


def _message(value: Any, role: str) -> str:
    """The text of the last chat message of `role` in OpenAI's formats, or of the last one; empty for none."""
    messages = _messages(value)
    of_role = [message for message in messages if message["role"] == role]
    content = (of_role or messages or [{"content": ""}])[-1]["content"]
    if isinstance(content, list):
        content = next((text for part in content if (text := _part_text(part))), "")
    return content if isinstance(content, str) else ""


def _part_text(part: Any) -> str:
    if isinstance(part, dict) and part.get("type") in ("text", "output_text"):
        part = part.get("text")
    return part if isinstance(part, str) else ""


def _messages(value: Any) -> list[dict[str, Any]]:
    while isinstance(value, dict):
        for key in ("messages", "input", "output"):
            if isinstance(value.get(key), list) and value[key]:
                return [item for item in value[key] if _is_message(item)]
        choices = value.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            message = choices[0].get("message")
            return [item for item in [message] if _is_message(item)]
        value = value.get("request")
    return []


def _is_message(item: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(item, dict) and "role" in item and "content" in item
