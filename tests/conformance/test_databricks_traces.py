"""Traces with "databricks" as tracking URI: MLflow and databricks-sdk, unmodified, as users of all levels."""

import json
import logging
import secrets
import time
from urllib.parse import urlsplit

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, AssessmentSourceType
from mlflow.exceptions import MlflowException
from mlflow.tracing.attachments import Attachment
from mlflow.tracing.client import TracingClient

from tests.support.databricks import DENIED, MAY_EDIT, MAY_READ, PEOPLE, refused
from tracklog_contract.caller import Level
from tracklog_ingest.access import principals

HUMAN = AssessmentSource(AssessmentSourceType.HUMAN, "ada")
PICTURE = secrets.token_bytes(3000)
# Of every kind that an attribute can have.
ODD = {
    "int": 7, "negative": -(2**62), "real": 1.5, "true": True, "none": None, "text": "grün", "empty": "",
    "list": [1, [2, {"a": None}]], "deep": {"a": {"b": {"c": [True]}}}, "looks like a number": "7",
}  # fmt: skip
# By OTLP, MLflow's client does not tell these from what they look like.
LIKE_JSON = {"list text": "[1, 2]", "object text": '{"a": 1}', "quoted": '"x"'}


@mlflow.trace(span_type="TOOL", attributes={**ODD, **LIKE_JSON})
def look_up(question):
    return {"found": question}


@mlflow.trace(name="answer")
def answer(question):
    mlflow.update_current_trace(tags={"team": "web"})
    with mlflow.start_span("step") as span:
        span.set_inputs({"picture": Attachment(content_type="image/png", content_bytes=PICTURE)})
    return look_up(question)


@mlflow.trace
def fail():
    raise ValueError("not today")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")


def traced(function, *arguments):
    """The id of the trace of a call."""
    function(*arguments)
    return mlflow.get_last_active_trace_id()


def told(trace):
    """What a trace tells of its spans, in every flavour alike."""
    return [
        (
            span.name, span.span_type, span.parent_id is None, str(span.status), span.outputs,
            {key: value for key, value in span.attributes.items() if key in ODD},
            [(event.name, event.attributes.get("exception.message")) for event in span.events],
        )
        for span in trace.data.spans
    ]  # fmt: skip


@pytest.fixture
def experiment(access, as_user):
    """An experiment of root's, which the reader may read and the editor change."""
    as_user("databricks", "root")
    experiment = mlflow.set_experiment(f"/Shared/{secrets.token_hex(8)}")
    for person, level in (("editor", Level.EDIT), ("reader", Level.READ)):
        access.grant(person, level, experiment.experiment_id)
    return experiment.experiment_id


def found(experiment, filter_string=None):
    traces = mlflow.search_traces(locations=[experiment], filter_string=filter_string, return_type="list")
    return {trace.info.trace_id: told(trace) for trace in traces}


def test_traces_are_written_and_read_as_everybody(access, as_user, experiment, caplog):
    wrote = {}
    for way, person in (("databricks", "root"), ("databricks", "editor"), ("basic", "editor")):
        as_user(way, person)
        wrote[way, person] = traced(answer, "why?")
    with pytest.raises(ValueError, match="not today"):
        fail()
    failed = mlflow.get_last_active_trace_id()
    ids = set(wrote.values())
    # Whichever way the spans came: by OTLP, or as traces.json.
    by_otlp = told(mlflow.get_trace(wrote["basic", "editor"]))
    assert by_otlp[-1][-2] == ODD
    for person in PEOPLE:
        for way in ("databricks", "basic"):
            as_user(way, person)
            client = TracingClient()
            if person not in MAY_READ:
                assert found(experiment) == {}
                refused(lambda client=client: client.get_trace(failed))
                continue
            assert found(experiment, "span.type = 'TOOL'") == dict.fromkeys(ids, by_otlp)
            assert found(experiment, "status = 'ERROR'").keys() == {failed}
            trace = client.get_trace(wrote["databricks", "root"])
            assert told(trace) == by_otlp
            assert trace.data.spans[-1].attributes.items() >= LIKE_JSON.items()
            assert trace.info.tags["team"] == "web"
            name = trace.data.spans[1].inputs["picture"].partition("://")[2].partition("?")[0]
            files = client._get_artifact_repo_for_trace(trace.info)
            if way == "databricks":
                assert files.download_trace_attachment(name) == PICTURE
                # As clients before 3.5 do.
                assert len(files.download_trace_data()["spans"]) == len(by_otlp)
    for person in ("reader", "stranger"):
        as_user("databricks", person)
        with caplog.at_level(logging.ERROR, "mlflow.tracing"):
            caplog.clear()
            answer("lost")
        assert f"the trace was NOT saved: {DENIED}" in caplog.text
    as_user("databricks", "root")
    assert found(experiment).keys() == {*ids, failed}


def test_traces_are_tagged_assessed_linked_and_deleted_as_everybody(access, as_user, experiment):
    trace_id, other = traced(answer, "one"), traced(answer, "two")
    run_id = MlflowClient().create_run(experiment).info.run_id
    score = mlflow.log_feedback(trace_id=trace_id, name="score", value=0.5, source=HUMAN)
    for person in PEOPLE:
        as_user("databricks", person)
        client = MlflowClient()
        calls = (
            lambda client=client, person=person: client.set_trace_tag(trace_id, f"by {person}", "x"),
            lambda client=client, person=person: client.delete_trace_tag(trace_id, f"by {person}"),
            lambda person=person: mlflow.log_feedback(trace_id=trace_id, name=person, value=True),
            lambda: mlflow.log_expectation(trace_id=trace_id, name="wanted", value={"a": [1]}),
            lambda: mlflow.update_assessment(trace_id, score.assessment_id, score),
            lambda client=client: client.link_traces_to_run([trace_id], run_id),
        )
        for call in calls:
            if person in MAY_EDIT:
                call()
            else:
                refused(call)
        if person in MAY_READ:
            assert found(experiment, "feedback.score = '0.5'").keys() == {trace_id}
            linked = mlflow.search_traces(locations=[experiment], run_id=run_id, return_type="list")
            assert [trace.info.trace_id for trace in linked] == [trace_id]
            assert mlflow.get_assessment(trace_id, score.assessment_id).value == 0.5
        else:
            refused(lambda: mlflow.get_assessment(trace_id, score.assessment_id))
    for person in reversed(PEOPLE):
        as_user("databricks", person)
        client = MlflowClient()
        if person == "reader":
            refused(lambda client=client: client.delete_traces(experiment, trace_ids=[trace_id]))
        else:
            # For who may not know of them there are none.
            deleted = client.delete_traces(experiment, trace_ids=[trace_id])
            assert deleted == (1 if person == "editor" else 0)
    assert found(experiment).keys() == {other}


def test_what_needs_tables_of_unity_catalog_is_refused_in_the_clients_words(as_user):
    as_user("databricks", "root")
    with pytest.raises(MlflowException, match="in UC tables is not supported"):
        mlflow.search_traces(locations=["catalog.schema"])


def span(number, **changes):
    """A span as it stands in traces.json."""
    ids = {"span_id": f"{number:016x}", "parent_span_id": None}
    times = {"start_time_unix_nano": 1, "end_time_unix_nano": 2}
    return {**ids, **times, "name": "by hand", "status": {"code": "OK"}, "attributes": {}, **changes}


def started(api, headers, experiment_id):
    """The id of a new trace without spans."""
    trace_id = f"tr-{secrets.token_hex(16)}"
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    info = {"trace_id": trace_id, "trace_location": place, "request_time": "2026-01-01T00:00:00Z"}
    made = api.call("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": info}}, headers)
    assert made.status == 200
    return trace_id


def signed(api, headers, trace_id, way):
    """The path and query that credentials for a trace's data say."""
    asked = api.call("GET", f"traces/{trace_id}/credentials-for-data-{way}", None, headers)
    assert asked.status == 200, asked.body
    url = urlsplit(asked.json["credential_info"]["signed_uri"])
    return f"{url.path}?{url.query}"


def test_a_signed_url_does_what_whom_it_was_signed_for_may_do_then(access, access_api, experiment):
    api = access_api
    access.make_principal(name := f"leaver-{secrets.token_hex(4)}")
    access.grant(name, Level.EDIT, experiment)
    trace_id = started(api, access.headers("root"), experiment)
    body = json.dumps({"spans": [span(1), span(2)]}).encode()
    put, get = (signed(api, access.headers(name), trace_id, way) for way in ("upload", "download"))
    assert api.call("GET", get).status == 404
    before = access.position()
    for wrong, refusal in ((b"", 400), (b"[]", 400), (b'{"spans":[]}', 400), (b'{"spans":[{}]}', 400)):
        assert api.call("PUT", put, wrong).status == refusal
    other = started(api, access.headers("root"), experiment)
    assert api.call("PUT", put.replace(trace_id, other), body).status == 403
    assert api.call("PUT", get, body).status == 403
    assert api.call("GET", put).status == 403
    assert access.position() == before + 1
    assert api.call("PUT", put, body).status == 200
    assert len(api.call("GET", get).json["spans"]) == 2
    who = "select principal from tracklog_log.entry where position = $1"
    assert access.value(who, access.position()) == name
    # What they may no more, their URLs do no more, a second later at most.
    access.grant(name, Level.READ, experiment)
    deadline = time.monotonic() + 1
    while api.call("PUT", put, body).status != 403:
        assert time.monotonic() < deadline
    assert api.call("GET", get).status == 200

    async def disable(turn):
        await principals.change_principal(turn, name, disabled=True)

    access.change(disable)
    assert (api.call("PUT", put, body).status, api.call("GET", get).status) == (401, 401)


def test_mlflow_2_is_given_an_id_and_a_place_that_it_knows(access, access_api, experiment):
    headers = {**access.headers("root"), "User-Agent": "mlflow/2.22.5 databricks-sdk-py/0.50.0"}
    begun = {"experiment_id": experiment, "timestamp_ms": 1, "request_metadata": [], "tags": []}
    info = access_api.call("POST", "traces", begun, headers).json["trace_info"]
    trace_id = info["request_id"]
    assert {tag["key"]: tag["value"] for tag in info["tags"]} == {
        "mlflow.artifactLocation": f"dbfs:/databricks/mlflow-tracking/{experiment}/{trace_id}/artifacts"
    }
    old = {
        "name": "old", "context": {"trace_id": "0x1", "span_id": "0x" + "0b" * 8}, "parent_id": None,
        "start_time": 1, "end_time": 2, "status_code": "OK", "status_message": "",
        "attributes": {"mlflow.traceRequestId": f'"{trace_id}"'}, "events": [],
    }  # fmt: skip
    put, get = (signed(access_api, headers, trace_id, way) for way in ("upload", "download"))
    assert access_api.call("PUT", put, json.dumps({"spans": [old]}).encode()).status == 200
    ended = {"timestamp_ms": 2, "status": "OK", "request_metadata": [], "tags": []}
    assert access_api.call("PATCH", f"traces/{trace_id}", ended, headers).status == 200
    (read,) = access_api.call("GET", get).json["spans"]
    context = {"trace_id": f"0x{trace_id[3:]}", "span_id": "0x" + "0b" * 8}
    assert read == {**old, "context": context, "links": []}


def test_a_trace_that_was_deleted_stays_so(access, access_api, experiment):
    trace_id = started(access_api, access.headers("root"), experiment)
    put = signed(access_api, access.headers("root"), trace_id, "upload")
    fields = {"experiment_id": experiment, "request_ids": [trace_id]}
    deleted = access_api.call("POST", "traces/delete-traces", fields, access.headers("root"))
    assert deleted.json == {"traces_deleted": 1}
    before = access.position()
    assert access_api.call("PUT", put, json.dumps({"spans": [span(1)]}).encode()).status == 404
    assert access.position() == before


def test_a_server_without_authentication_signs_too(api, new_name):
    experiment_id = api.post("experiments/create", {"name": new_name()})["experiment_id"]
    trace_id = started(api, {}, experiment_id)
    put, get = (signed(api, {}, trace_id, way) for way in ("upload", "download"))
    assert api.call("PUT", put, json.dumps({"spans": [span(1)]}).encode()).status == 200
    (kept,) = api.call("GET", get).json["spans"]
    assert kept["name"] == "by hand"
    assert api.call("PUT", put.partition("?")[0], b"{}").status == 403
