"""Decoded trace requests as the events and documents that are stored: checked, cut and bounded."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracklog_contract import validate
from tracklog_contract.databricks_messages import DATABRICKS_SDK
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import (
    ASSESSMENT_NAME_CHARS_MAX,
    CLIENT_REQUEST_ID_CHARS_MAX,
    KEY_CHARS_MAX,
    SESSION_ID_CHARS_MAX,
    TAG_VALUE_CHARS_MAX,
    TRACE_ASSESSMENTS_MAX,
    TRACE_ID_CHARS_MAX,
    TRACE_KEYS_MAX,
    TRACE_METADATA_CHARS_MAX,
    TRACE_NAME_CHARS_MAX,
    TRACE_PREVIEW_CHARS_MAX,
)
from tracklog_contract.spans import ReadSpan, json_text, plain, read_spans, split_by_trace, storable
from tracklog_contract.trace_events import TraceStarted
from tracklog_contract.trace_keys import (
    ARCHIVAL_FAILURE_TAG,
    ARCHIVE_LOCATION_TAG,
    FINALIZED,
    SESSION,
    SPAN_TRACE_TAG,
    SPANS_LOCATION_TAG,
    TRACE_NAME_TAG,
)
from tracklog_contract.trace_messages import SOURCE_TYPE_NAMES, TRACE_STATE_NAMES
from tracklog_contract.trace_usage import canonical
from tracklog_contract.well_known import DURATION_MS_MAX, TIMESTAMP_MS_MAX, TIMESTAMP_MS_MIN, read_free
from tracklog_ingest.traces import TraceSpans

_FIXED_TAGS: Final = frozenset({SPANS_LOCATION_TAG, ARCHIVE_LOCATION_TAG, ARCHIVAL_FAILURE_TAG})
_UPPERCASE: Final = re.compile(r"[A-Z]")
_KINDS: Final = ("feedback", "expectation", "issue")


def trace_id(text: str) -> str:
    """A trace's id as it came. Raises: Rejected, when it is empty or too long."""
    if not text:
        raise Rejected(INVALID, "A trace needs an id.")
    return _at_most("trace_id", TRACE_ID_CHARS_MAX, validate.path_part("trace_id", text))


def new_trace_id(user_agent: str) -> str:
    """An id for a trace whose client leaves that to the server, in the form that such a client expects."""
    # For one of the Databricks flavour only this says that it is a trace's.
    return f"{'tr-' if DATABRICKS_SDK in user_agent else ''}{uuid.uuid4().hex}"


def started(info: Mapping[str, Any]) -> TraceStarted:
    """The event of a decoded TraceInfoV3, all but where its artifacts lie.

    Raises: Rejected, when a part is too long.
    """
    client_request_id = info.get("client_request_id")
    if client_request_id is not None:
        _at_most("client_request_id", CLIENT_REQUEST_ID_CHARS_MAX, client_request_id)
    return TraceStarted(
        trace_id(info["trace_id"]),
        info.get("request_time", 0),
        TRACE_STATE_NAMES[info["state"]],
        info.get("execution_duration"),
        client_request_id,
        _preview(info.get("request_preview")),
        _preview(info.get("response_preview")),
        {**metadata(info.get("trace_metadata", {})), FINALIZED: "true"},
        tags(info.get("tags", {})),
    )


def time_ms(milliseconds: int) -> int:
    """A trace's time. Raises: Rejected, when no answer could tell it."""
    if not TIMESTAMP_MS_MIN <= milliseconds <= TIMESTAMP_MS_MAX:
        raise Rejected(INVALID, "timestamp_ms must lie between the years 1 and 9999.")
    return milliseconds


def duration_ms(milliseconds: int) -> int:
    """A duration. Raises: Rejected, when no answer could tell it."""
    if abs(milliseconds) > DURATION_MS_MAX:
        raise Rejected(INVALID, "A trace cannot last longer than 10,000 years.")
    return milliseconds


def metadata(items: Mapping[str, str]) -> dict[str, str]:
    """The metadata to store. Raises: Rejected, for a key or a session that is too long, and for too many."""
    _check_keys("trace_metadata", items)
    _at_most("Session ID", SESSION_ID_CHARS_MAX, items.get(SESSION, ""))
    return {key: value[:TRACE_METADATA_CHARS_MAX] for key, value in canonical(items).items()}


def tags(items: Mapping[str, str]) -> dict[str, str]:
    """The tags to store. Raises: Rejected, for a key or a name that is too long, and for too many."""
    _check_keys("tags", items)
    _at_most("Trace name", TRACE_NAME_CHARS_MAX, items.get(TRACE_NAME_TAG, ""))
    return {key: value[:TAG_VALUE_CHARS_MAX] for key, value in items.items()}


def tag(key: str, value: str) -> str:
    """The value to store for one tag that is set. Raises: Rejected, for a refused key or too long a name."""
    if key in _FIXED_TAGS:
        raise Rejected(INVALID, f"Tag '{key}' is immutable and cannot be set on a trace.")
    if key == TRACE_NAME_TAG:
        _at_most("Trace name", TRACE_NAME_CHARS_MAX, value)
    return validate.tag(key, value)


def deleted_tag(key: str) -> None:
    """Accept the key of a tag to delete. Raises: Rejected, for one that the server needs."""
    if key in _FIXED_TAGS - {ARCHIVAL_FAILURE_TAG}:
        raise Rejected(INVALID, f"Tag '{key}' is immutable and cannot be deleted on a trace.")


def pairs(items: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Version 2's tags and metadata as version 3's."""
    return {item["key"]: item["value"] for item in items}


def assessments(of_trace: str, items: Sequence[Mapping[str, Any]], now_ms: int) -> list[dict[str, Any]]:
    """The documents of a new trace's assessments. Raises: as `assessment`, and for too many."""
    if len(items) > TRACE_ASSESSMENTS_MAX:
        raise Rejected(INVALID, f"A trace can have at most {TRACE_ASSESSMENTS_MAX} assessments.")
    documents = [assessment(of_trace, item, now_ms) for item in items]
    return list({document["assessment_id"]: document for document in documents}.values())


def assessment(of_trace: str, given: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """The document of a decoded Assessment; its times are milliseconds, its expectation the bare value.

    Raises: Rejected, when it says not exactly one thing, or a part is too long.
    """
    source = given.get("source", {"source_type": 0})
    document: dict[str, Any] = {
        "assessment_id": _id(given.get("assessment_id")) or f"a-{uuid.uuid4().hex}",
        "assessment_name": _at_most("name", ASSESSMENT_NAME_CHARS_MAX, given["assessment_name"]),
        "trace_id": of_trace,
        "source": {
            "source_type": SOURCE_TYPE_NAMES[source["source_type"]],
            "source_id": source.get("source_id") or "default",
        },
        "create_time": given.get("create_time") or now_ms,
        "last_update_time": given.get("last_update_time") or now_ms,
        "valid": True,
        **value_of(given),
    }
    for name in ("span_id", "rationale", "overrides"):
        if given.get(name):
            document[name] = given[name]
    if given.get("metadata"):
        document["metadata"] = dict(given["metadata"])
    return document


def value_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a decoded Assessment says: its feedback, its expectation or its issue.

    Raises: Rejected, when it is none or more than one of them.
    """
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        raise Rejected(INVALID, "Exactly one of `expectation`, `feedback`, or `issue` should be specified.")
    kind = kinds[0]
    value = given[kind]
    if kind == "feedback":
        error = {"error": value["error"]} if "error" in value else {}
        return {kind: {"value": value.get("value"), **error}}
    if kind == "issue":
        return {kind: {"issue_name": value["issue_name"]}}
    return {kind: {"value": _expected(value)}}


def _expected(value: Mapping[str, Any]) -> Any:
    serialized = value.get("serialized_value")
    if serialized is None:
        expected = value.get("value")
    elif serialized["serialization_format"] != "JSON_FORMAT":
        raise Rejected(INVALID, "Unknown serialization format. Only JSON_FORMAT is supported.")
    else:
        try:
            expected = json.loads(serialized.get("value", ""))
            read_free(expected)
        except (ValueError, RecursionError):
            raise Rejected(INVALID, "The serialized value of an expectation must be JSON.") from None
    if expected is None:
        raise Rejected(INVALID, "The `value` field must be specified.")
    return expected


def changes(given: Mapping[str, Any], mask: str) -> dict[str, Any]:
    """What an update changes: the fields that a mask names, of a decoded Assessment.

    Raises: Rejected, as in `assessment`.
    """
    paths = {_UPPERCASE.sub(lambda found: f"_{found[0].lower()}", path) for path in mask.split(",")}
    if {"expectation", "feedback"} <= paths:
        raise Rejected(INVALID, "Cannot specify both `expectation` and `feedback` parameters.")
    changed: dict[str, Any] = {}
    if "assessment_name" in paths:
        changed["assessment_name"] = _at_most("name", ASSESSMENT_NAME_CHARS_MAX, given["assessment_name"])
    if "rationale" in paths:
        changed["rationale"] = given.get("rationale", "")
    if "metadata" in paths:
        changed["metadata"] = dict(given.get("metadata", {}))
    for kind in ("expectation", "feedback"):
        if kind in paths:
            changed.update(value_of({kind: given.get(kind, {})}))
    return changed


def span_parts(request: ExportTraceServiceRequest) -> list[TraceSpans]:
    """A request's spans by trace, with the tags that come with them.

    Raises: Rejected, when a span cannot be kept, or there are too many.
    """
    return [_part(key, data) for key, data in split_by_trace(request).items()]


def _part(key: str, data: bytes) -> TraceSpans:
    spans = list(read_spans(data))
    roots = [span for span in spans if span.parent_id is None]
    found = _resource_tags(spans)
    for root in roots:
        found.update(_root_tags(root))
    return TraceSpans(key, data, found, bool(roots))


def _resource_tags(spans: Sequence[ReadSpan]) -> dict[str, str]:
    resource = next((span.resource for span in spans if span.resource.attributes), None)
    found: dict[str, str] = {}
    for item in resource.attributes if resource else ():
        if not item.key.startswith(("telemetry.sdk.", "mlflow.")):
            value = plain(item.value)
            _add_tag(found, item.key, value if isinstance(value, str) else json_text(value))
    return found


def _root_tags(root: ReadSpan) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in root.attributes:
        if key.startswith(SPAN_TRACE_TAG):
            _add_tag(found, key.removeprefix(SPAN_TRACE_TAG), str(root.value(key)))
    return found


def _add_tag(found: dict[str, str], key: str, value: str) -> None:
    """Add a tag, unless it could not be set."""
    try:
        kept = validate.tag(key, storable(value))
    except Rejected:
        return
    if len(found) < TRACE_KEYS_MAX and key not in _FIXED_TAGS:
        found[key] = kept[:TRACE_NAME_CHARS_MAX] if key == TRACE_NAME_TAG else kept


def _preview(text: str | None) -> str | None:
    return None if text is None else text[:TRACE_PREVIEW_CHARS_MAX]


def _id(text: str | None) -> str:
    return _at_most("assessment_id", TRACE_ID_CHARS_MAX, text or "")


def _check_keys(name: str, items: Mapping[str, str]) -> None:
    if len(items) > TRACE_KEYS_MAX:
        raise Rejected(INVALID, f"A trace's {name} can have at most {TRACE_KEYS_MAX} keys.")
    for key in items:
        _at_most("key", KEY_CHARS_MAX, key)


def _at_most(name: str, most: int, text: str) -> str:
    if len(text) > most:
        raise Rejected(INVALID, f"'{name}' exceeds the maximum length of {most} characters")
    return text
