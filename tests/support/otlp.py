"""OTLP requests for tests: spans of given ids and attributes, as protobuf bytes."""

import http.client
import random
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

PATH = "/v1/traces"
PROTOBUF = "application/x-protobuf"
NOON_NS = 1_700_000_000_000_000_000


def any_value(value: Any) -> AnyValue:
    """A Python value as OpenTelemetry's."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))


def key_values(attributes: dict[str, Any]) -> list[KeyValue]:
    """Attributes as OpenTelemetry lists them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(
    trace: int | bytes,
    number: int | bytes,
    parent: int = 0,
    *,
    name: str = "step",
    start_ns: int = NOON_NS,
    elapsed_ns: int = 1_500_000_000,
    error: bool = False,
    **attributes: Any,
) -> Span:
    """A span; dots in the names of attributes are written as `__`."""
    return Span(
        trace_id=trace if isinstance(trace, bytes) else trace.to_bytes(16),
        span_id=number if isinstance(number, bytes) else number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=min(start_ns + elapsed_ns, 2**64 - 1),
        status=Status(code=Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET),
        attributes=key_values({key.replace("__", "."): value for key, value in attributes.items()}),
    )


def request(*spans: Span, **resource: Any) -> bytes:
    """The bytes of a request with these spans, of a resource with these attributes."""
    resource = {key.replace("__", "."): value for key, value in resource.items()}
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=key_values(resource)),
                scope_spans=[ScopeSpans(spans=spans)],
            )
        ]
    ).SerializeToString()


def trace_id_of(trace: int) -> str:
    """MLflow's id of a trace made by `span`."""
    return f"tr-{trace:032x}"


def new_trace() -> int:
    """A number that no other trace has."""
    return random.getrandbits(120) + 1


def export(url: str, body: bytes, experiment_id: str, **headers: str) -> int:
    """Send a request; its status."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        known = {"Content-Type": PROTOBUF, "x-mlflow-experiment-id": experiment_id}
        connection.request("POST", PATH, body, {**known, **headers})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
