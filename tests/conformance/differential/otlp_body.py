"""A described OTLP call as the bytes and headers that are sent."""

import base64
import json

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from tests.support.otlp import key_values

NS_OF_MS = 1_000_000
JSON = "application/json"


def otlp_request(fields):
    """The body and headers of a call: its `raw` text if it has one, else a request of its `spans`."""
    headers = {"Content-Type": fields["media"]}
    for header, name in (("x-mlflow-experiment-id", "experiment"), ("x-mlflow-run-id", "run")):
        if name in fields:
            headers[header] = fields[name]
    if "raw" in fields:
        return fields["raw"].encode(), headers
    scopes = [ScopeSpans(spans=[_span(**span) for span in fields["spans"]])]
    resource = Resource(attributes=key_values(fields["resource"]))
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=scopes)])
    if fields["media"] != JSON:
        return request.SerializeToString(), headers
    return json.dumps(_hex_ids(MessageToDict(request))).encode(), headers


def _span(*, trace, number, name, start_ms, elapsed_ms, status, attributes, parent=0):
    start_ns = start_ms * NS_OF_MS
    return Span(
        trace_id=bytes.fromhex(trace.removeprefix("tr-")),
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + elapsed_ms * NS_OF_MS,
        status=Status(code=status),
        attributes=key_values(attributes),
    )


def _hex_ids(value):
    """OTLP's JSON has hex digits where protobuf's has base64."""
    if isinstance(value, list):
        return [_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in ("traceId", "spanId", "parentSpanId") else _hex_ids(item)
        for key, item in value.items()
    }
