"""Spans as OpenTelemetry sends them: told apart by trace, checked, and read into what MLflow shows of them.

Needs the package opentelemetry-proto, so only servers import it.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from tracklog_contract import bounded_json
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import INT64_MAX, SPANS_MAX
from tracklog_contract.trace_keys import SPAN_TRACE_ID, SPAN_TYPE

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
# A list in a span's answer is two messages deep, and readers of protobuf's JSON go down a hundred.
ANSWER_DEPTH_MAX: Final = 30
_INT64_FIELDS: Final = ("start_time_unix_nano", "end_time_unix_nano", "time_unix_nano", "int_value")
_STATUS_NAMES: Final = {Status.STATUS_CODE_OK: "OK", Status.STATUS_CODE_ERROR: "ERROR"}


@dataclass(frozen=True)
class ReadSpan:
    """One span and the resource it came from, as MLflow reads them."""

    proto: Span
    resource: Resource

    @property
    def trace_id(self) -> str:
        """MLflow's id of its trace."""
        return trace_id_of(self.proto.trace_id)

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return self.proto.span_id.rjust(SPAN_ID_BYTES, b"\0").hex()

    @property
    def parent_id(self) -> str | None:
        """The parent's 16 hex digits; None for a root."""
        parent = self.proto.parent_span_id
        return parent.rjust(SPAN_ID_BYTES, b"\0").hex() if any(parent) else None

    @property
    def status(self) -> str:
        """OK, ERROR or UNSET."""
        return _STATUS_NAMES.get(self.proto.status.code, "UNSET")

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Every attribute, as JSON text; one that is such text already stays it."""
        attributes = {item.key: _json_attribute(item.value) for item in self.proto.attributes}
        attributes[SPAN_TRACE_ID] = json_text(self.trace_id)
        return attributes

    def value(self, key: str) -> Any:
        """The attribute of this name, None when there is none; text that is JSON counts as what it says."""
        value = self.attributes.get(key)
        return None if value is None else parsed(value)

    def answer(self) -> dict[str, Any]:
        """The span as protobuf's JSON, with MLflow's id of the trace; attributes sent as JSON are values."""
        span = Span()
        span.CopyFrom(self.proto)
        # MLflow's answers have it even when it says nothing.
        span.status.SetInParent()
        del span.attributes[:]
        kept = {item.key: item.value for item in self.proto.attributes}
        for key, text in self.attributes.items():
            item = span.attributes.add(key=key)
            if key in kept and json_text(plain(kept[key])) == text:
                item.value.CopyFrom(kept[key])
            else:
                set_value(item.value, parsed(text, depth_max=ANSWER_DEPTH_MAX))
        answer: dict[str, Any] = _whole_numbers(MessageToDict(span, preserving_proto_field_name=True))
        return answer

    @property
    def type(self) -> str:
        """MLflow's span type; empty for none."""
        span_type = self.value(SPAN_TYPE)
        return storable(span_type) if isinstance(span_type, str) else ""

    @cached_property
    def content(self) -> str:
        """The span as MLflow keeps it: JSON text, in which searches look."""
        span = self.proto
        parent = span.parent_span_id
        document = {
            "trace_id": _base64(span.trace_id.rjust(TRACE_ID_BYTES, b"\0")),
            "span_id": _base64(span.span_id.rjust(SPAN_ID_BYTES, b"\0")),
            "parent_span_id": _base64(parent.rjust(SPAN_ID_BYTES, b"\0")) if any(parent) else None,
            "name": span.name,
            "start_time_unix_nano": span.start_time_unix_nano,
            "end_time_unix_nano": span.end_time_unix_nano,
            "events": [
                {"name": event.name, "time_unix_nano": event.time_unix_nano, "attributes": _plain_map(event)}
                for event in span.events
            ],
            "status": {
                "code": f"STATUS_CODE_{self.status}",
                "message": span.status.message,
            },
            "attributes": self.attributes,
            "links": [
                {
                    "trace_id": trace_id_of(link.trace_id),
                    "span_id": link.span_id.rjust(SPAN_ID_BYTES, b"\0").hex(),
                    "attributes": _plain_map(link) or None,
                }
                for link in span.links
            ],
        }
        return json_text(document)


def trace_id_of(trace_id: bytes) -> str:
    """MLflow's id of the trace with OpenTelemetry's `trace_id`."""
    return f"tr-{trace_id.rjust(TRACE_ID_BYTES, bytes(1)).hex()}"


def parsed(text: str, *, depth_max: int = bounded_json.DEPTH_MAX) -> Any:
    """The JSON value in `text`, or `text` itself when it is none, or too deep a one."""
    try:
        return bounded_json.loads(text, depth_max=depth_max)
    except ValueError:
        return text


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold; the replacement character stands for it."""
    return _encodable(text).replace("\0", "\ufffd")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def json_text(value: Any) -> str:
    """JSON text with all letters as they are, which can be stored."""
    return storable(json.dumps(value, ensure_ascii=False))


def plain(value: AnyValue) -> Any:
    """An OpenTelemetry value as a Python one; bytes as the text that Python shows of them, as MLflow does."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return str(value.bytes_value)
    return None if kind is None else getattr(value, kind)


def _json_attribute(value: AnyValue) -> str:
    """An attribute as JSON text; text that is JSON of a text, object or list was made so by its sender."""
    simple = plain(value)
    if (
        isinstance(simple, str)
        and isinstance(within := parsed(simple), (str, dict, list))
        and within != simple
    ):
        return storable(simple)
    return json_text(simple)


def set_value(target: AnyValue, value: Any) -> None:
    """Say with an OpenTelemetry value what a JSON value says; None leaves it unset."""
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        target.string_value = _encodable(value)
    elif isinstance(value, int) and -INT64_MAX <= value <= INT64_MAX:
        target.int_value = value
    elif isinstance(value, (int, float)):
        target.double_value = float(value)
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            set_value(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            set_value(target.kvlist_value.values.add(key=_encodable(key)).value, item)


def _whole_numbers(value: Any) -> Any:
    """The JSON of a protobuf message with its 64-bit integers as numbers, as MLflow shows them."""
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: int(item) if name in _INT64_FIELDS else _whole_numbers(item) for name, item in value.items()
    }


def read_spans(data: bytes) -> Iterator[ReadSpan]:
    """The spans in the bytes of an OTLP `TracesData`.

    Raises: google.protobuf's DecodeError, when they are none.
    """
    for resource_spans in TracesData.FromString(data).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield ReadSpan(span, resource_spans.resource)


def split_by_trace(request: ExportTraceServiceRequest) -> dict[str, bytes]:
    """Each trace's part of a request, with scopes and resources, as the bytes of a `TracesData`.

    Raises: Rejected, when a span cannot be kept, or there are too many.
    """
    parts: dict[str, TracesData] = {}
    count = 0
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            places: dict[str, Any] = {}
            for span in scope_spans.spans:
                _check(span)
                count += 1
                trace_id = trace_id_of(span.trace_id)
                place = places.get(trace_id)
                if place is None:
                    place = places[trace_id] = _same_place(
                        parts.setdefault(trace_id, TracesData()), resource_spans, scope_spans
                    )
                place.spans.append(span)
    if count > SPANS_MAX:
        raise Rejected(INVALID, f"A request can hold at most {SPANS_MAX} spans. Got {count}.")
    return {trace_id: data.SerializeToString() for trace_id, data in parts.items()}


def _same_place(data: TracesData, resource_spans: Any, scope_spans: Any) -> Any:
    """A new list of spans with the same resource and scope."""
    of_resource = data.resource_spans.add(schema_url=resource_spans.schema_url)
    if resource_spans.HasField("resource"):
        of_resource.resource.CopyFrom(resource_spans.resource)
    of_scope = of_resource.scope_spans.add(schema_url=scope_spans.schema_url)
    if scope_spans.HasField("scope"):
        of_scope.scope.CopyFrom(scope_spans.scope)
    return of_scope


def _check(span: Span) -> None:
    ids = (("trace_id", span.trace_id, TRACE_ID_BYTES), ("span_id", span.span_id, SPAN_ID_BYTES))
    for name, value, length in ids:
        if not 0 < len(value) <= length:
            raise Rejected(INVALID, f"A span's {name} must have {length} bytes. Got {len(value)}.")
    if len(span.parent_span_id) > SPAN_ID_BYTES:
        raise Rejected(INVALID, f"A span's parent_span_id must have {SPAN_ID_BYTES} bytes.")
    if max(span.start_time_unix_nano, span.end_time_unix_nano) > INT64_MAX:
        raise Rejected(INVALID, "A span's times must lie below 2^63 nanoseconds.")


def _plain_map(holder: Any) -> Mapping[str, Any]:
    attributes: list[KeyValue] = holder.attributes
    return {item.key: plain(item.value) for item in attributes}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


__all__ = [
    "DecodeError",
    "ReadSpan",
    "json_text",
    "parsed",
    "plain",
    "read_spans",
    "set_value",
    "split_by_trace",
    "storable",
    "trace_id_of",
]
