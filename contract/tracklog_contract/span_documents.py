"""Reads and writes traces.json, as which MLflow's client stores spans where it does not send them by OTLP.

Needs the package opentelemetry-proto, so only servers import it.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tracklog_contract import bounded_json
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import SPANS_MAX
from tracklog_contract.spans import (
    ANSWER_DEPTH_MAX,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    json_text,
    parsed,
    set_value,
)

# The id of a trace whose spans name it, as those of MLflow 3 and of OpenTelemetry do.
_TRACE_ID: Final = re.compile(r"tr-([0-9a-f]{32})")
_HEX_ID: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{16})")
# By protobuf's names, and by Python's.
_CODES: Final = {
    "STATUS_CODE_OK": Status.STATUS_CODE_OK,
    "OK": Status.STATUS_CODE_OK,
    "STATUS_CODE_ERROR": Status.STATUS_CODE_ERROR,
    "ERROR": Status.STATUS_CODE_ERROR,
}
_WRONG: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class _Names:
    """What the parts of a span are called."""

    parent: str
    start: str
    end: str
    code: str
    message: str
    event_time: str


_MLFLOW_2: Final = _Names("parent_id", "start_time", "end_time", "status_code", "status_message", "timestamp")
_MLFLOW_3: Final = _Names(
    "parent_span_id", "start_time_unix_nano", "end_time_unix_nano", "code", "message", "time_unix_nano"
)


def read_document(trace_id: str, body: bytes) -> ExportTraceServiceRequest:
    """The spans in the bytes of a trace's traces.json, as OTLP would bring them; all are this trace's.

    Raises: Rejected, when the bytes are no such document, or no span could name the trace.
    """
    found = _TRACE_ID.fullmatch(trace_id)
    if found is None:
        raise Rejected(
            INVALID, f"The id '{trace_id}' is not tr- and the 32 hexadecimal digits that spans have."
        )
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    try:
        documents = bounded_json.loads(body.decode())["spans"]
        for document in documents[: SPANS_MAX + 1]:
            _fill(spans.add(trace_id=bytes.fromhex(found[1])), document)
    except _WRONG as error:
        raise Rejected(INVALID, "The body is no trace data as MLflow writes it to traces.json.") from error
    return request


def document_of(contents: str) -> bytes:
    """The traces.json of spans in the form that MLflow 2 reads too; they are given in that of MLflow 3."""
    spans = [_of_mlflow_2(span) for span in json.loads(contents)["spans"]]
    return json.dumps({"spans": spans}, ensure_ascii=False).encode()


def _of_mlflow_2(span: Mapping[str, Any]) -> dict[str, Any]:
    parent = span["parent_span_id"]
    return {
        "name": span["name"],
        "context": {"trace_id": _hex(span["trace_id"]), "span_id": _hex(span["span_id"])},
        "parent_id": _hex(parent) if parent else None,
        "start_time": span["start_time_unix_nano"],
        "end_time": span["end_time_unix_nano"],
        "status_code": span["status"]["code"].removeprefix("STATUS_CODE_"),
        "status_message": span["status"]["message"],
        "attributes": span["attributes"],
        "events": [
            {"name": event["name"], "timestamp": event["time_unix_nano"], "attributes": event["attributes"]}
            for event in span["events"]
        ],
        "links": span["links"],
    }


def _hex(base64_id: str) -> str:
    return f"0x{base64.b64decode(base64_id).hex()}"


def _fill(span: Span, document: Mapping[str, Any]) -> None:
    # MLflow 2 had other names for the same, and its ids in an object of their own.
    within = document.get("context")
    names, ids, status = (
        (_MLFLOW_3, document, document["status"]) if within is None else (_MLFLOW_2, within, document)
    )
    span.span_id = _span_id(ids["span_id"])
    if parent := document.get(names.parent):
        span.parent_span_id = _span_id(parent)
    span.name = document["name"]
    span.start_time_unix_nano = int(document[names.start])
    span.end_time_unix_nano = int(document.get(names.end) or 0)
    span.status.code = _CODES.get(status.get(names.code, ""), Status.STATUS_CODE_UNSET)
    span.status.message = status.get(names.message) or ""
    for key, value in document["attributes"].items():
        _set(span.attributes.add(key=key).value, _unwritten(value))
    for event in document.get("events") or ():
        told = span.events.add(name=event["name"], time_unix_nano=int(event[names.event_time]))
        for key, value in (event.get("attributes") or {}).items():
            _set(told.attributes.add(key=key).value, value)
    for link in document.get("links") or ():
        _add_link(span, link)


def _add_link(span: Span, link: Mapping[str, Any]) -> None:
    # "tr-…", "trace:/PLACE/…", or the digits alone.
    trace_id = int(link["trace_id"].rpartition("/")[2].removeprefix("tr-"), 16)
    span_id = int(link["span_id"], 16)
    if trace_id.bit_length() > TRACE_ID_BYTES * 8 or span_id.bit_length() > SPAN_ID_BYTES * 8:
        # MLflow's client sends no such link by OTLP either, for there is no room for it.
        return
    told = span.links.add(trace_id=trace_id.to_bytes(TRACE_ID_BYTES), span_id=span_id.to_bytes(SPAN_ID_BYTES))
    for key, value in (link.get("attributes") or {}).items():
        _set(told.attributes.add(key=key).value, value)


def _unwritten(value: Any) -> Any:
    """The value of an attribute, which is JSON text. Texts, lists and objects stay that: so they are read."""
    if isinstance(value, str):
        within = parsed(value)
        return value if isinstance(within, (str, list, dict)) else within
    return value


def _set(target: Any, value: Any) -> None:
    if isinstance(value, (list, dict)):
        # What is too deep for protobuf's readers is kept as its text.
        value = parsed(json_text(value), depth_max=ANSWER_DEPTH_MAX)
    set_value(target, value)


def _span_id(text: str) -> bytes:
    """A span's id: digits as MLflow tells them, or base64 as it writes them down."""
    found = _HEX_ID.fullmatch(text)
    return bytes.fromhex(found[1]) if found else base64.b64decode(text, validate=True)
