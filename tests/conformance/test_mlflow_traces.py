"""MLflow 3's tracing works: traces are written, read, searched, tagged, assessed, linked and deleted."""

import json

import mlflow
import pytest
from mlflow.entities import AssessmentError, AssessmentSource, AssessmentSourceType, SpanStatusCode, SpanType
from mlflow.exceptions import MlflowException
from mlflow.tracing.constant import TraceMetadataKey

HUMAN = AssessmentSource(AssessmentSourceType.HUMAN, "ada")
CODE = AssessmentSource(AssessmentSourceType.CODE, "judge")
UNKNOWN = "tr-" + "0" * 32


@mlflow.trace(span_type=SpanType.RETRIEVER, attributes={"model": "gpt-4", "cache.hit": True})
def look_up(question):
    return [question, {"found": 2}]


@mlflow.trace(name="answer")
def answer(question, *, name=None, tags=None, metadata=None, user=None, session=None):
    known = {TraceMetadataKey.TRACE_USER: user, TraceMetadataKey.TRACE_SESSION: session}
    mlflow.update_current_trace(
        tags={**(tags or {}), **({"mlflow.traceName": name} if name else {})},
        metadata={**(metadata or {}), **{key: value for key, value in known.items() if value}},
    )
    return f"found {len(look_up(question))} größer"


@mlflow.trace
def fail():
    with mlflow.start_span("inner"):
        raise ValueError("not today")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Traces are sent before their calls return, unless a test is about the other way."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")


def traced(function, *arguments, **options):
    """The id of the trace of a call."""
    function(*arguments, **options)
    return mlflow.get_last_active_trace_id()


def found(experiment, filter_string=None, **options):
    traces = mlflow.search_traces(
        locations=[experiment], filter_string=filter_string, return_type="list", **options
    )
    return [trace.info.trace_id for trace in traces]


@pytest.fixture
def trace_id(experiment):
    return traced(answer, "why?")


def test_a_trace_is_read_back_whole(experiment):
    trace_id = traced(answer, "why?", tags={"team": "web"}, metadata={"version": "7"})
    trace = mlflow.get_trace(trace_id)
    assert trace.info.experiment_id == experiment
    assert trace.info.state == "OK"
    assert trace.info.execution_duration >= 0
    assert trace.info.tags["team"] == "web"
    assert trace.info.tags["mlflow.traceName"] == "answer"
    assert trace.info.trace_metadata["version"] == "7"
    assert json.loads(trace.info.request_preview)["question"] == "why?"
    assert trace.info.response_preview == '"found 2 größer"'
    root, child = trace.data.spans
    assert (root.name, root.parent_id, root.outputs) == ("answer", None, "found 2 größer")
    assert (child.name, child.parent_id, child.span_type) == ("look_up", root.span_id, "RETRIEVER")
    assert child.inputs == {"question": "why?"}
    assert child.outputs == ["why?", {"found": 2}]
    assert child.get_attribute("model") == "gpt-4"
    assert child.get_attribute("cache.hit") is True
    assert root.start_time_ns <= child.start_time_ns <= child.end_time_ns <= root.end_time_ns


def test_an_exception_is_kept_with_its_span(experiment):
    with pytest.raises(ValueError, match="not today"):
        fail()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    assert trace.info.state == "ERROR"
    root, inner = trace.data.spans
    assert [span.status.status_code for span in (root, inner)] == [SpanStatusCode.ERROR] * 2
    assert "not today" in inner.events[0].attributes["exception.message"]


def test_a_trace_may_be_told_span_by_span(client, experiment):
    root = client.start_trace("by hand", inputs={"a": 1}, experiment_id=experiment, tags={"kind": "manual"})
    span = client.start_span("step", trace_id=root.trace_id, parent_id=root.span_id, span_type="TOOL")
    client.end_span(root.trace_id, span.span_id, outputs=[1.5, None])
    client.end_trace(root.trace_id, outputs="done")
    trace = client.get_trace(root.trace_id)
    assert [span.name for span in trace.data.spans] == ["by hand", "step"]
    assert trace.data.spans[1].outputs == [1.5, None]
    assert trace.info.tags["kind"] == "manual"


def test_spans_come_with_a_search(experiment):
    first, second = traced(answer, "one"), traced(answer, "two")
    traces = mlflow.search_traces(locations=[experiment], include_spans=True, return_type="list")
    assert [trace.info.trace_id for trace in traces] == [second, first]
    assert [trace.data.spans[1].inputs["question"] for trace in traces] == ["two", "one"]
    frame = mlflow.search_traces(locations=[experiment])
    assert list(frame["trace_id"]) == [second, first]


def test_filters(experiment):
    one = traced(answer, "blue", tags={"team": "web", "a b": "1"}, user="ada", session="s1")
    two = traced(answer, "red", name="other", tags={"team": "ops"}, metadata={"version": "7"})
    with pytest.raises(ValueError, match="not today"):
        fail()
    three = mlflow.get_last_active_trace_id()
    for filter_string, expected in {
        "status = 'ERROR'": [three],
        "trace.status != 'ERROR'": [two, one],
        "attributes.status IN ('ERROR')": [three],
        "tags.team = 'web'": [one],
        "tags.team != 'web'": [two],
        "tag.team LIKE '%p%'": [two],
        "tags.team ILIKE 'WEB'": [one],
        "tags.team RLIKE '^w.b$'": [one],
        "tags.team IS NULL": [three],
        "tags.team IS NOT NULL": [two, one],
        "tags.`a b` = '1'": [one],
        "name = 'other'": [two],
        "trace.name LIKE 'a%'": [one],
        "metadata.version = '7'": [two],
        "request_metadata.`mlflow.trace.user` = 'ada'": [one],
        "metadata.`mlflow.trace.session` = 's1'": [one],
        f"request_id = '{one}'": [one],
        f"request_id NOT IN ('{one}', '{two}')": [three],
        "timestamp_ms > 0 AND execution_time < 100000": [three, two, one],
        "end_time < 5": [],
        "span.name = 'look_up'": [two, one],
        "span.type = 'RETRIEVER' AND span.name = 'look_up'": [two, one],
        "span.type = 'RETRIEVER' AND span.name = 'answer'": [],
        "span.status = 'ERROR'": [three],
        "span.attributes.model LIKE '%gpt%'": [two, one],
        "span.attributes.model RLIKE '^gpt-4$'": [two, one],
        "span.content LIKE '%blue%'": [one],
        "trace.text LIKE '%größer%'": [two, one],
        "status = 'OK' AND (tags.team = 'web' OR name = 'other')": [two, one],
        "NOT tags.team = 'web'": [three, two],
    }.items():
        assert found(experiment, filter_string, include_spans=False) == expected, filter_string


@pytest.mark.parametrize(
    "filter_string",
    [
        "bogus = 'x'",
        "span.bogus = 'x'",
        "status = 5",
        "timestamp_ms = 'x'",
        "name IN ('a')",
        "tags.k > 'a'",
        "feedback.x > 'a'",
        "feedback.x = 5",
        "issue.name = 'x'",
        "span.content = 'x'",
        "prompt LIKE 'x'",
        "tags.k RLIKE '('",
        "tags.k RLIKE '(a)\\1'",
        "tags.k RLIKE '***='",
        "status = 'OK' AND",
        "status = ",
        "((status = 'OK')",
    ],
)
def test_wrong_filters_are_refused(experiment, filter_string):
    if filter_string == "status = 'OK' AND":
        # MLflow forgives this one.
        assert found(experiment, filter_string) == []
        return
    with pytest.raises(MlflowException) as refusal:
        found(experiment, filter_string)
    assert refusal.value.error_code == "INVALID_PARAMETER_VALUE"


def test_pages_and_orders(client, experiment):
    ids = [traced(answer, str(number), tags={"n": str(number % 2)}) for number in range(5)]
    pages, token = [], None
    while token is not None or not pages:
        page = client.search_traces(
            locations=[experiment], max_results=2, page_token=token, order_by=["tags.n", "timestamp ASC"]
        )
        pages.append([trace.info.trace_id for trace in page])
        token = page.token
    assert pages == [[ids[0], ids[2]], [ids[4], ids[1]], [ids[3]]]
    assert found(experiment, order_by=["timestamp_ms DESC"], max_results=3) == ids[:1:-1]
    assert found(experiment, order_by=["request_id"]) == sorted(ids)


def test_tags_change(client, trace_id):
    client.set_trace_tag(trace_id, "stage", "dev")
    client.set_trace_tag(trace_id, "stage", "λ" * 5000)
    assert client.get_trace(trace_id).info.tags["stage"] == "λ" * 4096
    client.delete_trace_tag(trace_id, "stage")
    assert "stage" not in client.get_trace(trace_id).info.tags
    for change in (
        lambda: client.delete_trace_tag(trace_id, "stage"),
        lambda: client.delete_trace_tag(UNKNOWN, "stage"),
        lambda: client.set_trace_tag(UNKNOWN, "stage", "x"),
    ):
        with pytest.raises(MlflowException) as refusal:
            change()
        assert refusal.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_feedback_is_given_overridden_and_taken_back(experiment, trace_id):
    first = mlflow.log_feedback(
        trace_id=trace_id, name="good", value=True, source=HUMAN, rationale="it is", metadata={"k": "v"}
    )
    score = mlflow.log_feedback(trace_id=trace_id, name="score", value=0.75, source=CODE)
    assert mlflow.get_assessment(trace_id, first.assessment_id).to_dictionary() == first.to_dictionary()
    assert found(experiment, "feedback.good = 'true'") == [trace_id]
    assert found(experiment, "feedback.score >= 0.75 AND feedback.score < 0.8") == [trace_id]
    assert found(experiment, "feedback.score > 0.75") == []
    second = mlflow.override_feedback(
        trace_id=trace_id, assessment_id=first.assessment_id, value=False, source=HUMAN
    )
    assert found(experiment, "feedback.good = 'true'") == []
    assert mlflow.get_assessment(trace_id, first.assessment_id).valid is False
    mlflow.delete_assessment(trace_id, second.assessment_id)
    assert found(experiment, "feedback.good = 'true'") == [trace_id]
    kept = {assessment.assessment_id for assessment in mlflow.get_trace(trace_id).info.assessments}
    assert kept == {first.assessment_id, score.assessment_id}


def test_an_error_may_stand_for_feedback(trace_id):
    error = AssessmentError(error_code="RATE", error_message="too many")
    given = mlflow.log_feedback(trace_id=trace_id, name="good", error=error, source=CODE)
    read = mlflow.get_assessment(trace_id, given.assessment_id)
    assert (read.value, read.error.error_code, read.error.error_message) == (None, "RATE", "too many")


def test_expectations_hold_any_json(experiment, trace_id):
    for value in ("text", 5, 1.5, True, [1, {"a": None}], {"deep": {"er": ["é"]}}):
        given = mlflow.log_expectation(trace_id=trace_id, name="wanted", value=value, source=HUMAN)
        assert mlflow.get_assessment(trace_id, given.assessment_id).value == value
    assert found(experiment, "expectation.wanted = 'text'") == [trace_id]
    assert found(experiment, "expectation.wanted IS NOT NULL") == [trace_id]
    assert found(experiment, "expectation.other IS NULL") == [trace_id]


def test_an_assessment_is_updated(trace_id):
    given = mlflow.log_feedback(trace_id=trace_id, name="good", value=1, source=HUMAN, metadata={"k": "v"})
    given.value, given.rationale, given.metadata, given.name = 2.5, "second thoughts", {"l": "w"}, "better"
    mlflow.update_assessment(trace_id, given.assessment_id, given)
    read = mlflow.get_assessment(trace_id, given.assessment_id)
    assert (read.name, read.value, read.rationale) == ("better", 2.5, "second thoughts")
    assert read.metadata == {"k": "v", "l": "w"}
    assert read.last_update_time_ms > read.create_time_ms


def test_what_is_said_of_a_session_is_said_of_its_traces(experiment):
    one = traced(answer, "1", session="chat")
    two = traced(answer, "2", session="chat")
    traced(answer, "3", session="else")
    metadata = {TraceMetadataKey.TRACE_SESSION: "chat"}
    mlflow.log_feedback(trace_id=one, name="polite", value="yes", source=CODE, metadata=metadata)
    assert found(experiment, "feedback.polite = 'yes'") == [two, one]


def test_traces_of_a_run_and_linked_to_it(client, experiment):
    with mlflow.start_run() as run:
        inside = traced(answer, "in")
    outside, other = traced(answer, "out"), traced(answer, "other")
    run_id = run.info.run_id
    assert found(experiment, f"run_id = '{run_id}'") == [inside]
    client.link_traces_to_run([outside], run_id)
    client.link_traces_to_run([outside], run_id)
    assert found(experiment, f"attributes.run_id = '{run_id}'") == [outside, inside]
    assert other not in found(experiment, run_id=run_id)


def test_deletion_by_id(client, experiment):
    one, two = traced(answer, "1"), traced(answer, "2")
    mlflow.log_feedback(trace_id=one, name="good", value=True, source=HUMAN)
    assert client.delete_traces(experiment, trace_ids=[one, UNKNOWN]) == 1
    assert found(experiment) == [two]
    assert mlflow.get_trace(one) is None
    assert client.delete_traces(experiment, trace_ids=[one]) == 0


def test_deletion_by_time_takes_the_oldest_first(client, experiment):
    ids = [traced(answer, str(number)) for number in range(4)]
    newest = mlflow.get_trace(ids[2]).info.timestamp_ms
    assert client.delete_traces(experiment, max_timestamp_millis=newest, max_traces=2) == 2
    assert set(found(experiment)) == set(ids[2:])
    assert client.delete_traces(experiment, max_timestamp_millis=newest) >= 1
    assert ids[2] not in found(experiment)


def test_asynchronous_logging_brings_everything(monkeypatch, experiment):
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
    for number in range(30):
        answer(str(number))
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(locations=[experiment], include_spans=True, return_type="list")
    asked = {trace.data.spans[0].inputs["question"] for trace in traces}
    assert asked == {str(number) for number in range(30)}
