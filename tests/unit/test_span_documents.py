"""A trace's traces.json is read as OTLP would bring its spans, and whatever else it holds is refused."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklog_contract.errors import Rejected
from tracklog_contract.span_documents import document_of, read_document
from tracklog_contract.spans import read_spans, split_by_trace, trace_id_of

TRACE = "tr-" + "0f" * 16
PARENT = base64.b64encode(bytes([0] * 7 + [1])).decode()
CHILD = base64.b64encode(bytes([0] * 7 + [2])).decode()


def spans_of(*documents, trace_id=TRACE):
    """The spans that are kept of these."""
    body = json.dumps({"spans": documents}).encode()
    (data,) = split_by_trace(read_document(trace_id, body)).values()
    return list(read_spans(data))


def document(**changes):
    """A span as MLflow 3 writes it down."""
    return {
        "trace_id": base64.b64encode(bytes([15] * 16)).decode(),
        "span_id": CHILD,
        "parent_span_id": PARENT,
        "name": "step",
        "start_time_unix_nano": 5,
        "end_time_unix_nano": 9,
        "events": [{"name": "e", "time_unix_nano": 6, "attributes": {"k": [1, "a"]}}],
        "status": {"code": "STATUS_CODE_ERROR", "message": "oh"},
        "attributes": {"mlflow.traceRequestId": json.dumps(TRACE)},
        "links": [],
        **changes,
    }


def test_a_span_is_kept_whole():
    links = [
        {"trace_id": "tr-" + "0a" * 16, "span_id": "0b" * 8, "attributes": {"why": "copy"}},
        {"trace_id": "trace:/a.b/" + "0c" * 16, "span_id": "1", "attributes": None},
        {"trace_id": "f" * 40, "span_id": "0b" * 8, "attributes": None},
    ]
    (span,) = spans_of(document(links=links))
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, "0" * 15 + "2", "0" * 15 + "1")
    assert (span.proto.start_time_unix_nano, span.proto.end_time_unix_nano) == (5, 9)
    assert (span.status, span.proto.status.message) == ("ERROR", "oh")
    kept = json.loads(span.content)
    assert kept["events"] == [{"name": "e", "time_unix_nano": 6, "attributes": {"k": [1, "a"]}}]
    # The third has no room in OTLP, and MLflow's client leaves it out there too.
    assert kept["links"] == [
        {"trace_id": "tr-" + "0a" * 16, "span_id": "0b" * 8, "attributes": {"why": "copy"}},
        {"trace_id": "tr-" + "0c" * 16, "span_id": "0" * 15 + "1", "attributes": None},
    ]


def test_attributes_say_what_their_json_says():
    values = {
        "int": 7, "real": 0.5, "no": None, "yes": True, "text": "é", "digits": "7", "as list": "[1]",
        "list": [1, {"a": "b"}], "object": {"x": None}, "empty": "",
    }  # fmt: skip
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    (span,) = spans_of(document(attributes={**texts, "bare": "no JSON", "number": 5}))
    assert {key: span.attributes[key] for key in texts} == texts
    assert (span.value("bare"), span.value("number")) == ("no JSON", 5)


def test_mlflow_2_and_3_5_had_other_forms():
    old = {
        "name": "step", "context": {"trace_id": "0x1", "span_id": "0x" + "0b" * 8}, "parent_id": None,
        "start_time": 1, "end_time": None, "status_code": "OK", "status_message": "",
        "attributes": {"a": "1"}, "events": [{"name": "e", "timestamp": 3, "attributes": {"k": 1}}],
    }  # fmt: skip
    (span,) = spans_of(old)
    assert (span.trace_id, span.span_id, span.parent_id, span.status) == (TRACE, "0b" * 8, None, "OK")
    assert span.proto.events[0].time_unix_nano == 3
    with_hex = document(trace_id=TRACE, span_id="0b" * 8, parent_span_id="0c" * 8, status={"code": "OK"})
    (span,) = spans_of(with_hex)
    assert (span.span_id, span.parent_id, span.status) == ("0b" * 8, "0c" * 8, "OK")


def test_what_is_written_for_mlflow_2_reads_the_same():
    links = [{"trace_id": "tr-" + "0a" * 16, "span_id": "0b" * 8, "attributes": {"why": "copy"}}]
    whole = document(links=links, attributes={"a": "[1, 2]", "b": "1.5", "c": '"x"'})
    kept = [span.content for span in spans_of(whole, document(span_id=PARENT, parent_span_id=None))]
    written = json.loads(document_of(f'{{"spans":[{",".join(kept)}]}}'))["spans"]
    assert [span["status_code"] for span in written] == ["ERROR", "ERROR"]
    assert written[0]["context"] == {"trace_id": "0x" + "0f" * 16, "span_id": "0x" + "0" * 15 + "2"}
    assert [span.content for span in spans_of(*written)] == kept


def test_what_is_too_deep_is_kept_as_text():
    deep = json.loads("[" * 60 + "]" * 60)
    (span,) = spans_of(document(events=[{"name": "e", "time_unix_nano": 1, "attributes": {"k": deep}}]))
    assert json.loads(span.content)["events"][0]["attributes"]["k"] == json.dumps(deep)


@pytest.mark.parametrize("trace_id", ["", "tr-1", "0f" * 16, "tr-" + "0F" * 16, f"{TRACE}\n"])
def test_a_trace_that_no_span_can_name_is_refused(trace_id):
    with pytest.raises(Rejected, match="32 hexadecimal digits"):
        spans_of(document(), trace_id=trace_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"span_id": "no base64!"}, {"span_id": ""}, {"span_id": None}, {"span_id": "AAAA" * 8},
        {"start_time_unix_nano": -1}, {"start_time_unix_nano": 2**64}, {"start_time_unix_nano": 2**63},
        {"start_time_unix_nano": float("inf")}, {"name": None}, {"name": "\ud800"}, {"status": None},
        {"attributes": []}, {"attributes": None}, {"events": [1]}, {"events": {"a": 1}},
        {"links": [{"trace_id": 1, "span_id": "1"}]}, {"links": [{"trace_id": "-1", "span_id": "1"}]},
        {"context": {}}, {"context": 5},
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(changes):
    with pytest.raises(Rejected):
        spans_of(document(**changes))


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(document())), inner),
    ).map(lambda value: json.dumps({"spans": value}).encode())
)
def test_any_body_is_read_or_refused(body):
    with contextlib.suppress(Rejected):
        split_by_trace(read_document(TRACE, body))


def test_the_ids_of_otlp_and_of_documents_are_the_same():
    assert trace_id_of(bytes([15] * 16)) == TRACE
