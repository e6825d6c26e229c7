"""OTLP over HTTP: spans in protobuf or JSON, as OpenTelemetry's exporters and MLflow's client send them.

Compressed bodies are undone by the HTTP library, within the limit of every body.
"""

import base64
import json
from typing import Any, Final

from aiohttp import web
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_ingest.http import Route
from tracklog_ingest.service import Ingest
from tracklog_ingest.trace_requests import span_parts
from tracklog_ingest.traces import RecordSpans

EXPERIMENT_HEADER: Final = "x-mlflow-experiment-id"
RUN_HEADER: Final = "x-mlflow-run-id"
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
# These are hex digits in OTLP's JSON, and base64 in protobuf's.
_ID_FIELDS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def root_routes(ingest: Ingest) -> list[Route]:
    """The endpoint, which stands under no prefix, as (method, path, handler)."""
    return [("POST", "/v1/traces", Otlp(ingest).export)]


class Otlp:
    """The handler, over one `Ingest`."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def export(self, request: web.Request) -> web.Response:
        """POST /v1/traces: all spans of a request are stored, or none."""
        experiment = request.headers.get(EXPERIMENT_HEADER, "")
        if not experiment:
            raise Rejected(INVALID, f"The header {EXPERIMENT_HEADER} must name an experiment.")
        experiment_id = parse_experiment_id(experiment)
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type not in (PROTOBUF, JSON):
            raise Rejected(INVALID, f"The Content-Type must be {PROTOBUF} or {JSON}.")
        body = await request.read()
        parts = span_parts(decode(body, media_type))
        if parts:
            run_id = request.headers.get(RUN_HEADER, "")
            await self._ingest.submit(RecordSpans(experiment_id, parts, run_id, payload_bytes=len(body)))
        # An ExportTraceServiceResponse that says nothing: all was taken.
        return web.Response(body=b"{}" if media_type == JSON else b"", content_type=media_type)


def decode(body: bytes, media_type: str) -> ExportTraceServiceRequest:
    """The request in a body.

    Raises: Rejected, whatever the bytes.
    """
    try:
        if media_type == JSON:
            request = ParseDict(
                _with_base64_ids(json.loads(body)), ExportTraceServiceRequest(), ignore_unknown_fields=True
            )
        else:
            request = ExportTraceServiceRequest.FromString(body)
    except (DecodeError, ParseError, ValueError, TypeError, RecursionError):
        raise Rejected(INVALID, "Invalid OpenTelemetry format") from None
    if not request.resource_spans:
        raise Rejected(INVALID, "Invalid OpenTelemetry format - no spans found")
    return request


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(item)).decode()
        if name in _ID_FIELDS and isinstance(item, str)
        else _with_base64_ids(item)
        for name, item in value.items()
    }
