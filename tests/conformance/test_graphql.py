"""The GraphQL queries of MLflow's web page get the answers that MLflow's schema gives over its SQL store."""

import json
import logging
import math

import pytest
from graphql import GraphQLEnumType, GraphQLScalarType
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric
from mlflow.server import app as mlflow_app
from mlflow.server import handlers
from mlflow.server.graphql.graphql_schema_extensions import schema as mlflow_schema

from tracklog_projector.graphql.answers import load_schema

RUN_FIELDS = """
    info { runName status runUuid runId experimentId artifactUri endTime lifecycleStage startTime userId }
    experiment {
      experimentId name tags { key value } artifactLocation lifecycleStage lastUpdateTime creationTime
    }
    modelVersions { status version name source }
    data { metrics { key value step timestamp } params { key value } tags { key value } }
    inputs {
      datasetInputs { dataset { digest name profile schema source sourceType } tags { key value } }
      modelInputs { modelId }
    }
    outputs { modelOutputs { modelId step } }
"""
GET_RUN = f"""
query GetRun($data: MlflowGetRunInput!) @component(name: "page") {{
  mlflowGetRun(input: $data) {{ apiError {{ code message helpUrl }} run {{ __typename {RUN_FIELDS} }} }}
}}"""
SEARCH_RUNS = f"""
query SearchRuns($data: MlflowSearchRunsInput!) {{
  mlflowSearchRuns(input: $data) {{ apiError {{ code }} nextPageToken runs {{ {RUN_FIELDS} }} }}
}}"""
SAMPLES = """
query GetMetricHistoryBulkInterval($data: MlflowGetMetricHistoryBulkIntervalInput!) {
  mlflowGetMetricHistoryBulkInterval(input: $data) {
    __typename metrics { timestamp step runId key value } apiError { code message }
  }
}"""
GET_EXPERIMENT = """
query MlflowGetExperimentQuery($data: MlflowGetExperimentInput!) @component(name: "page") {
  mlflowGetExperiment(input: $data) {
    apiError { code message }
    experiment {
      artifactLocation creationTime experimentId lastUpdateTime lifecycleStage name tags { key value }
    }
  }
}"""
# What differs between two servers that were told the same.
OWN = {"artifactUri", "artifactLocation", "creationTime", "lastUpdateTime"}


@pytest.fixture(scope="module")
def mlflow_side(tmp_path_factory):
    """MLflow's client of a SQL store, and its schema over it."""
    logging.getLogger("alembic").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    handlers.initialize_backend_stores(uri, default_artifact_root=str(folder / "artifacts"))

    def ask(query, data):
        # Some of its resolvers look at the HTTP request around them.
        with mlflow_app.test_request_context("/graphql", method="POST", json={}):
            result = mlflow_schema.execute(query, variables={"data": data})
        return {"data": result.data, "errors": [e.message for e in result.errors] if result.errors else None}

    return MlflowClient(uri), ask


@pytest.fixture
def ask(api):
    def ask(query, data=None, **more):
        answer = api.call("POST", "/graphql", {"query": query, "variables": {"data": data}, **more})
        assert answer.status == 200
        return answer.json

    return ask


class Story:
    """An experiment, model and runs on one side; `plain` takes this side's ids and clock out of answers."""

    def __init__(self, client, name):
        self.experiment = client.create_experiment(name, tags={"team": "blue"})
        self.model = client.create_logged_model(self.experiment, name="m").model_id
        self.done = client.create_run(
            self.experiment, start_time=5, run_name="done", tags={"t": "ü"}
        ).info.run_id
        self.open = client.create_run(self.experiment, start_time=4, run_name="open").info.run_id
        values = [0.1 + 0.2, math.nan, math.inf, -math.inf]
        metrics = [
            Metric(f"m{number}", value, 10 + step, step)
            for number, value in enumerate(values)
            for step in (0, 2**60)
        ]
        client.log_batch(self.done, metrics=metrics)
        client.log_param(self.done, "p", "1")
        dataset = Dataset("d", "1", "code", "{}", profile="{}")
        tags = [InputTag("mlflow.data.context", "train")]
        client.log_inputs(self.done, [DatasetInput(dataset, tags)], [LoggedModelInput(self.model)])
        client.log_outputs(self.done, [LoggedModelOutput(self.model, 3)])
        client.set_terminated(self.done, end_time=9)

    def plain(self, answer):
        text = json.dumps(answer)
        for name in ("model", "done", "open"):
            text = text.replace(getattr(self, name), f"<{name}>")
        text = text.replace(f'"experimentId": "{self.experiment}"', '"experimentId": "<experiment>"')
        return json.loads(text, object_hook=plain_object)


def plain_object(found):
    """A JSON object without what is a server's own; SQL gives tags in any order."""
    found.update(dict.fromkeys(OWN & set(found), "own"))
    if found.get("tags"):
        found["tags"].sort(key=lambda tag: tag["key"])
    return found


@pytest.fixture
def both(mlflow_side, client, ask, new_name):
    """Asks both sides after the same story; gives the one answer they agree on."""
    their_client, ask_them = mlflow_side
    name = new_name()
    theirs, ours = Story(their_client, name), Story(client, name)

    def both(query, data):
        expected = theirs.plain(ask_them(query, data(theirs)))
        answer = ours.plain(ask(query, data(ours)))
        assert answer == expected
        return answer

    return both


def test_every_type_has_the_fields_that_mlflow_s_has():
    def fields(schema, name):
        found = schema.type_map[name]
        if isinstance(found, GraphQLEnumType):
            return set(found.values)
        return {name: str(field.type) for name, field in found.fields.items()}

    ours, theirs = load_schema(), mlflow_schema.graphql_schema
    names = [
        name
        for name, found in ours.type_map.items()
        if name != "Query" and not name.startswith("__") and not isinstance(found, GraphQLScalarType)
    ]
    assert len(names) > 25
    for name in names:
        assert fields(ours, name) == fields(theirs, name), name
    roots = fields(theirs, "Query")
    for name, type_name in fields(ours, "Query").items():
        assert roots[name] == type_name


@pytest.mark.parametrize("run", ["done", "open"])
def test_a_run(both, run):
    answer = both(GET_RUN, lambda story: {"runId": getattr(story, run)})
    found = answer["data"]["mlflowGetRun"]["run"]
    assert found["info"]["endTime"] == ("9" if run == "done" else "0")
    if run == "done":
        values = {metric["key"]: metric["value"] for metric in found["data"]["metrics"]}
        assert values["m0"] == 0.1 + 0.2
        assert values["m1"] is None


def test_a_run_that_is_not_there(both):
    answer = both(GET_RUN, lambda _: {"runId": "f" * 32})
    assert answer == {"data": {"mlflowGetRun": None}, "errors": [f"Run with id={'f' * 32} not found"]}


def test_a_search(both):
    # Not with runViewType, which MLflow's resolver fails to read.
    def search(story, **more):
        return {"experimentIds": [story.experiment], **more}

    every = both(SEARCH_RUNS, search)
    assert len(every["data"]["mlflowSearchRuns"]["runs"]) == 2
    some = both(SEARCH_RUNS, lambda story: search(story, filter="params.p = '1'", orderBy=["metrics.m0"]))
    assert len(some["data"]["mlflowSearchRuns"]["runs"]) == 1


def test_samples_of_a_metric(both):
    answer = both(
        SAMPLES,
        lambda story: {"runIds": [story.done, story.open], "metricKey": "m0", "maxResults": 320},
    )
    steps = [point["step"] for point in answer["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]]
    assert steps == ["0", str(2**60)]


def test_samples_of_many_runs_are_bounded_together(ask, client, experiment):
    run = client.create_run(experiment).info.run_id
    metrics = [Metric("m", float(step), step, step) for step in range(1000)]
    client.log_batch(run, metrics=metrics)
    ids = [run] + [f"{number:032x}" for number in range(99)]
    answer = ask(SAMPLES, {"runIds": ids, "metricKey": "m", "maxResults": 2500})
    points = answer["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]
    assert 200 <= len(points) <= 251
    assert (points[0]["step"], points[-1]["step"]) == ("0", "999")


def test_an_experiment(both):
    answer = both(GET_EXPERIMENT, lambda story: {"experimentId": story.experiment})
    assert answer["data"]["mlflowGetExperiment"]["experiment"]["tags"] == [{"key": "team", "value": "blue"}]
    both(GET_EXPERIMENT, lambda _: {"experimentId": "987654321"})


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("{" * 2, "Syntax Error: Expected Name, found '{'."),
        ("{a" * 10 + "{b" + "}" * 11, "Query exceeds maximum depth of 10"),
        ("{" * 1000, "Syntax Error: Expected Name, found '{'."),
        ("{ ...F } fragment F on Query { a { ...F } }", "Query exceeds maximum depth of 10"),
        ("{ a { " + "b " * 1000 + "} }", "Query exceeds maximum total selections of 1000"),
        (
            "{ " + " ".join(f"a{n}" for n in range(11)) + " }",
            "GraphQL queries should have at most 10 root fields, got 11 root fields.",
        ),
        (
            "{ a { ...F " + " ".join(f"a{n}: b" for n in range(6)) + " } } fragment F on A { "
            "" + " ".join(f"b{n}: b" for n in range(5)) + " }",
            "GraphQL queries should have at most 10 aliases, got 11 aliases.",
        ),
        ("{ nothing }", "Cannot query field 'nothing' on type 'Query'."),
    ],
)
def test_a_query_that_is_wrong_or_too_large_gets_an_error(ask, query, error):
    assert ask(query) == {"data": None, "errors": [error]}


def test_a_document_has_a_bounded_number_of_tokens(ask):
    answer = ask("{ a(" + "b: 1 " * 5000 + ") }")
    assert answer["data"] is None
    assert "5000 tokens" in answer["errors"][0]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"query": 1}', b'{"query": "{a}", "variables": []}', b"[" * 5000]
)
def test_what_is_no_request_is_refused(send, body):
    status, answer = send("POST", "/graphql", body)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_form_of_another_site_cannot_ask(send):
    status, _ = send("POST", "/graphql", b'{"query": "{__typename}"}', {"Content-Type": "text/plain"})
    assert status == 400


def test_a_query_may_be_sent_by_get(api):
    query = {"query": "query Q($data: Boolean!) { __typename @include(if: $data) }"}
    answer = api.get("/graphql", {**query, "variables": '{"data": true}'})
    assert answer == {"data": {"__typename": "Query"}, "errors": None}
