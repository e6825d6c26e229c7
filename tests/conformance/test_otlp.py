"""OpenTelemetry's exporters can send their spans here, in every form of OTLP over HTTP."""

import gzip
import json
import zlib

import mlflow
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.conformance.refusals import INVALID, NOT_FOUND
from tests.support.otlp import NOON_NS, PATH, PROTOBUF, export, new_trace, request, span, trace_id_of
from tracklog_contract.limits import JSON_BODY_BYTES_MAX

RUN_HEADER = "x-mlflow-run-id"


@pytest.fixture
def headers(experiment):
    return {"Content-Type": PROTOBUF, "x-mlflow-experiment-id": experiment}


@pytest.fixture
def exported(tracking_server, experiment):
    """Sends bytes that must be taken."""

    def exported(body, **more):
        assert export(tracking_server.url, body, experiment, **more) == 200

    return exported


def info_of(api, trace):
    return api.get(f"/api/3.0/mlflow/traces/{trace_id_of(trace)}", {})["trace"]["trace_info"]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_the_sdk_s_exporter(tracking, experiment, run_id, compression):
    exporter = OTLPSpanExporter(
        f"{tracking}{PATH}",
        headers={"x-mlflow-experiment-id": experiment, RUN_HEADER: run_id},
        compression=compression,
    )
    provider = TracerProvider(resource=Resource({"service.name": "shop", "service.version": "7"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "1.0")
    bought = {"items": [1, 2], "user.id": "ada"}
    with (
        tracer.start_as_current_span("buy", attributes=bought) as root,
        tracer.start_as_current_span("pay") as child,
    ):
        child.set_attribute("amount", 7.5)
        child.add_event("declined", {"times": 2})
    provider.shutdown()
    trace = mlflow.get_trace(f"tr-{root.get_span_context().trace_id:032x}")
    assert [span.name for span in trace.data.spans] == ["buy", "pay"]
    assert trace.data.spans[0].get_attribute("items") == [1, 2]
    assert trace.data.spans[1].get_attribute("amount") == 7.5
    assert trace.data.spans[1].events[0].attributes == {"times": 2}
    assert trace.info.state == "OK"
    assert trace.info.tags["service.name"] == "shop"
    assert trace.info.trace_metadata["mlflow.trace.user"] == "ada"
    of_run = mlflow.search_traces(
        locations=[experiment], filter_string=f"run_id = '{run_id}'", return_type="list", include_spans=False
    )
    assert [found.info.trace_id for found in of_run] == [trace.info.trace_id]


def test_json_has_hexadecimal_ids(api, send, headers):
    trace = new_trace()
    told = {
        "traceId": f"{trace:032x}",
        "spanId": "00000000000000d1",
        "name": "in json",
        "startTimeUnixNano": str(NOON_NS),
        "endTimeUnixNano": str(NOON_NS + 250_000_000),
        "links": [{"traceId": f"{trace:032x}", "spanId": "00000000000000d2"}],
        "attributes": [{"key": "n", "value": {"intValue": "5"}}],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}).encode()
    for encoded, coding in (
        (body, "identity"),
        (gzip.compress(body), "gzip"),
        (zlib.compress(body), "deflate"),
    ):
        more = {"Content-Type": "application/json", "Content-Encoding": coding}
        assert send("POST", PATH, encoded, {**headers, **more}) == (200, {})
    assert info_of(api, trace)["execution_duration"] == "0.250s"
    (whole,) = api.get("/api/3.0/mlflow/traces/batchGet", {"trace_ids": [trace_id_of(trace)]})["traces"]
    assert whole["spans"][0]["start_time_unix_nano"] == NOON_NS


def test_spans_may_come_before_their_root_and_sum_up_as_a_tree(api, exported):
    trace = new_trace()
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    exported(request(span(trace, 2, 1, mlflow__chat__tokenUsage=usage), span(trace, 3, 1)))
    first = info_of(api, trace)
    assert first["state"] == "IN_PROGRESS"
    assert json.loads(first["trace_metadata"]["mlflow.trace.tokenUsage"]) == usage
    whole = {key: 10 * count for key, count in usage.items()}
    begin = NOON_NS - 5_000_000_000
    exported(request(span(trace, 1, name="root", start_ns=begin, error=True, mlflow__chat__tokenUsage=whole)))
    last = info_of(api, trace)
    assert (last["state"], last["execution_duration"]) == ("ERROR", "6.500s")
    # The root's count has its children's in it.
    assert json.loads(last["trace_metadata"]["mlflow.trace.tokenUsage"]) == whole


def test_a_span_sent_again_is_one_span(api, exported):
    trace = new_trace()
    for _ in range(3):
        exported(request(span(trace, 1)))
    exported(request(span(trace, 1, name="renamed")))
    (whole,) = api.get("/api/3.0/mlflow/traces/batchGet", {"trace_ids": [trace_id_of(trace)]})["traces"]
    assert [told["name"] for told in whole["spans"]] == ["renamed"]


def test_spans_are_kept_whole(api, exported):
    trace = new_trace()
    told = span(trace, 1)
    told.trace_state, told.dropped_attributes_count, told.kind = "a=b", 4, 3
    exported(request(told))
    (whole,) = api.get("/api/3.0/mlflow/traces/batchGet", {"trace_ids": [trace_id_of(trace)]})["traces"]
    (read,) = whole["spans"]
    assert (read["trace_state"], read["dropped_attributes_count"], read["kind"]) == (
        "a=b", 4, "SPAN_KIND_CLIENT",
    )  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"\x00", b"garbage", b"\x0a\xff\xff\xff\xff\x0f", request()[:1]])
def test_malformed_protobuf(refused, headers, body):
    assert refused("POST", PATH, body, headers) == INVALID


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[]", "null", '"x"', '{"resourceSpans": 7}', '{"resourceSpans": [7]}', "[" * 100_000,
     '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz", "spanId": "00"}]}]}]}',
     '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5, "spanId": "00"}]}]}]}',
     '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0a", "name": "\\ud800"}]}]}]}'],
)  # fmt: skip
def test_malformed_json(refused, headers, text):
    assert refused("POST", PATH, text.encode(), {**headers, "Content-Type": "application/json"}) == INVALID


@pytest.mark.parametrize(
    "told",
    [
        span(b"", 1),
        span(1, b""),
        span(b"1" * 17, 1),
        span(1, b"1" * 9),
        span(1, 1, start_ns=2**63),
        span(1, 1, start_ns=2**63 - 5, elapsed_ns=10),
    ],
)
def test_spans_that_cannot_be_kept(refused, headers, told):
    # One wrong span spoils the request, and nothing of the others is stored.
    assert refused("POST", PATH, request(span(new_trace(), 1), told), headers) == INVALID


def test_too_many_spans(refused, headers):
    trace = new_trace()
    body = request(*(span(trace, number) for number in range(1, 10_002)))
    assert refused("POST", PATH, body, headers) == INVALID


def test_wrong_headers(refused, experiment):
    body = request(span(new_trace(), 1))
    known = {"Content-Type": PROTOBUF, "x-mlflow-experiment-id": experiment}
    for name, value in {
        "x-mlflow-experiment-id": "abc",
        "Content-Type": "text/plain",
        "Content-Encoding": "gzip",
    }.items():
        assert refused("POST", PATH, body, {**known, name: value}) in (INVALID, "BAD_REQUEST")
    assert refused("POST", PATH, body, {"Content-Type": PROTOBUF}) == INVALID
    assert refused("POST", PATH, body, {**known, "x-mlflow-experiment-id": "987654321"}) == NOT_FOUND


def test_bodies_that_unfold_beyond_the_limit(refused, headers):
    bomb = gzip.compress(b"\0" * (JSON_BODY_BYTES_MAX + 1))
    assert refused("POST", PATH, bomb, {**headers, "Content-Encoding": "gzip"}) == INVALID


def test_a_run_that_is_not_there_does_not_matter(api, exported):
    trace = new_trace()
    exported(request(span(trace, 1)), **{RUN_HEADER: "0" * 32})
    assert info_of(api, trace)["state"] == "OK"


def test_a_span_of_no_type_is_not_of_another_type(api, exported, experiment):
    untyped, typed = new_trace(), new_trace()
    exported(request(span(untyped, 1), span(typed, 2, mlflow__spanType="TOOL")))
    place = {"locations": [{"mlflow_experiment": {"experiment_id": experiment}}]}
    for condition in ("!= 'LLM'", "NOT IN ('LLM')", "LIKE '%'"):
        body = {**place, "filter": f"span.type {condition}"}
        found = api.post("/api/3.0/mlflow/traces/search", body)["traces"]
        assert [info["trace_id"] for info in found] == [trace_id_of(typed)], condition
