"""What MLflow's Java client sends, and whether it could read the answers.

That client prints MLflow's protocol messages with protobuf's JSON printer (names as they are declared,
int64 in quotes, NaN and infinities as words) and parses answers with protobuf's parser. MLflow's Python
package has the same messages, and its protobuf the same printer and parser: they make and read these.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlencode

import pytest
import requests
from google.protobuf.json_format import MessageToJson, Parse
from mlflow.protos import service_pb2 as p

HEADERS: Final = {"User-Agent": "mlflow-java-client/3.11.0", "Accept-Encoding": "gzip,deflate"}
BIG: Final = 2**53 + 1  # a double cannot hold it: one that comes back was never one


class Java:
    """The requests of the Java client, one session as that has."""

    def __init__(self, url: str) -> None:
        self._session = requests.Session()
        self._session.headers.update(HEADERS)
        self._base = f"{url}/api/2.0/mlflow"

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def send(self, path, message, response=None):
        """POST a message; the answer as the message it ought to be."""
        return _read(self.answer_to(path, message), response)

    def answer_to(self, path, message):
        """The HTTP answer to a POST of a message."""
        text = MessageToJson(message, preserving_proto_field_name=True)
        headers = {"Content-Type": "application/json"}
        return self._session.post(f"{self._base}/{path}", text.encode(), headers=headers, timeout=60)

    def get(self, path, response, **query):
        """GET a message."""
        return _read(self.answer_to_get(path, **query), response)

    def answer_to_get(self, path, **query):
        """The HTTP answer to a GET, with a query as Apache's URIBuilder writes it: + for a blank."""
        return self._session.get(f"{self._base}/{path}?{urlencode(query)}", timeout=60)

    def run(self, run_id):
        """MlflowClient.getRun."""
        return self.get("runs/get", p.GetRun.Response(), run_uuid=run_id, run_id=run_id).run


def _read(answer, response):
    # Anything from 200 to 399 is a success to it.
    assert answer.status_code == 200, answer.text
    # Fields that it does not know it ignores; one of a wrong type it cannot read.
    return answer.json() if response is None else Parse(answer.text, response, ignore_unknown_fields=True)


@pytest.fixture
def java(tracking: str) -> Iterator[Java]:
    client = Java(tracking)
    yield client
    client.close()


@pytest.fixture
def new_run(java: Java, experiment: str) -> Callable[[], str]:
    def create() -> str:
        # The context's startRun: the name is a tag, and there is no user_id.
        tags = [p.RunTag(key="mlflow.runName", value="from java"), p.RunTag(key="mlflow.user", value="ada")]
        created = java.send(
            "runs/create",
            p.CreateRun(experiment_id=experiment, start_time=1_700_000_000_123, tags=tags),
            p.CreateRun.Response(),
        )
        return created.run.info.run_id

    return create


def test_experiments(java, new_name):
    name = new_name()
    tags = [p.ExperimentTag(key="mlflow.experiment.sourceType", value="REPO_NOTEBOOK")]
    created = java.send(
        "experiments/create", p.CreateExperiment(name=name, tags=tags), p.CreateExperiment.Response()
    )
    number = created.experiment_id
    read = java.get("experiments/get", p.GetExperiment.Response(), experiment_id=number).experiment
    assert (read.name, read.lifecycle_stage, read.experiment_id) == (name, "active", number)
    assert read.creation_time > 1_700_000_000_000
    assert [(tag.key, tag.value) for tag in read.tags] == [("mlflow.experiment.sourceType", "REPO_NOTEBOOK")]
    by_name = java.get("experiments/get-by-name", p.GetExperimentByName.Response(), experiment_name=name)
    assert by_name.experiment.experiment_id == number
    java.send("experiments/update", p.UpdateExperiment(experiment_id=number, new_name=f"{name} ü+&"))
    # The name goes through the query: blanks as +, the rest percent-encoded.
    by_name = java.get(
        "experiments/get-by-name", p.GetExperimentByName.Response(), experiment_name=f"{name} ü+&"
    )
    assert by_name.experiment.experiment_id == number
    java.send("experiments/set-experiment-tag", p.SetExperimentTag(experiment_id=number, key="k", value=""))
    java.send("experiments/delete", p.DeleteExperiment(experiment_id=number))
    java.send("experiments/restore", p.RestoreExperiment(experiment_id=number))
    page = java.send(
        "experiments/search",
        # max_results is an int64, and so in quotes; an empty filter is sent as one.
        p.SearchExperiments(filter="", max_results=1000, view_type=p.ACTIVE_ONLY),
        p.SearchExperiments.Response(),
    )
    (found,) = [entry for entry in page.experiments if entry.experiment_id == number]
    assert {tag.key: tag.value for tag in found.tags}["k"] == ""


def test_a_name_that_nobody_has_is_404(java):
    answer = java.answer_to_get("experiments/get-by-name", experiment_name="nobody has this")
    # Its getByName takes the status alone for "there is none".
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_run(java, new_run, experiment):
    run_id = new_run()
    assert java.run(run_id).info.start_time == 1_700_000_000_123
    java.send("runs/log-parameter", p.LogParam(run_uuid=run_id, run_id=run_id, key="alpha", value=""))
    for step, value in enumerate([0.5, math.nan, math.inf, -math.inf]):
        metric = p.LogMetric(run_uuid=run_id, run_id=run_id, key="m", value=value, timestamp=BIG, step=step)
        java.send("runs/log-metric", metric)
    java.send(
        "runs/log-metric",
        p.LogMetric(run_uuid=run_id, run_id=run_id, key="big", value=1.0, timestamp=1, step=-BIG),
    )
    java.send("runs/set-tag", p.SetTag(run_uuid=run_id, run_id=run_id, key="t", value="ünïcode ✓"))
    java.send("runs/set-tag", p.SetTag(run_uuid=run_id, run_id=run_id, key="gone", value="1"))
    java.send("runs/delete-tag", p.DeleteTag(run_id=run_id, key="gone"))
    java.send("runs/log-batch", p.LogBatch(run_id=run_id))
    java.send(
        "runs/log-batch",
        p.LogBatch(
            run_id=run_id,
            metrics=[p.Metric(key="b", value=at / 4, timestamp=BIG, step=at) for at in range(10)],
            params=[p.Param(key="depth", value="3")],
            tags=[p.RunTag(key="u", value="2")],
        ),
    )
    ended = p.UpdateRun(run_uuid=run_id, run_id=run_id, status=p.FINISHED, end_time=1_700_000_001_000)
    info = java.send("runs/update", ended, p.UpdateRun.Response()).run_info
    assert (info.run_uuid, info.status, info.end_time) == (run_id, p.FINISHED, 1_700_000_001_000)

    run = java.run(run_id)
    assert (run.info.run_uuid, run.info.run_id, run.info.experiment_id) == (run_id, run_id, experiment)
    assert (run.info.status, run.info.lifecycle_stage) == (p.FINISHED, "active")
    assert run.info.artifact_uri.endswith(f"/{run_id}/artifacts")
    latest = {metric.key: metric for metric in run.data.metrics}
    assert (latest["m"].value, latest["m"].step, latest["m"].timestamp) == (-math.inf, 3, BIG)
    assert (latest["big"].step, latest["b"].value) == (-BIG, 2.25)
    assert {param.key: param.value for param in run.data.params} == {"alpha": "", "depth": "3"}
    tags = {tag.key: tag.value for tag in run.data.tags}
    assert tags == {"mlflow.runName": "from java", "mlflow.user": "ada", "t": "ünïcode ✓", "u": "2"}
    history = java.get(
        "metrics/get-history",
        p.GetMetricHistory.Response(),
        run_uuid=run_id,
        run_id=run_id,
        metric_key="m",
        max_results="25000",
    )
    assert [str(metric.value) for metric in history.metrics] == ["0.5", "nan", "inf", "-inf"]
    assert history.next_page_token == ""


def test_a_user_without_a_name_tag_starts_a_run(java, experiment):
    message = p.CreateRun(experiment_id=experiment, user_id="ada", start_time=int(time.time() * 1000))
    info = java.send("runs/create", message, p.CreateRun.Response()).run.info
    assert (info.user_id, info.run_uuid) == ("ada", info.run_id)


def test_a_history_is_read_page_by_page(java, new_run):
    run_id = new_run()
    metrics = [p.Metric(key="a key/x", value=float(at), timestamp=at, step=at) for at in range(10)]
    java.send("runs/log-batch", p.LogBatch(run_id=run_id, metrics=metrics))
    query = {"run_uuid": run_id, "run_id": run_id, "metric_key": "a key/x", "max_results": "4"}
    values = []
    while True:
        page = java.get("metrics/get-history", p.GetMetricHistory.Response(), **query)
        values.extend(metric.value for metric in page.metrics)
        if not page.next_page_token:
            break
        query["page_token"] = page.next_page_token
    assert values == list(range(10))


def test_runs_are_searched_page_by_page(java, new_run, experiment):
    runs = [new_run() for _ in range(3)]
    for at, run_id in enumerate(runs):
        message = p.LogMetric(run_uuid=run_id, run_id=run_id, key="acc", value=at / 2, timestamp=1, step=0)
        java.send("runs/log-metric", message)
    java.send("runs/delete", p.DeleteRun(run_id=runs[0]))

    def search(**fields):
        message = p.SearchRuns(experiment_ids=[experiment], **fields)
        return java.send("runs/search", message, p.SearchRuns.Response())

    assert len(search(max_results=1000, run_view_type=p.ALL).runs) == 3
    (deleted,) = search(max_results=1000, run_view_type=p.DELETED_ONLY).runs
    assert deleted.info.lifecycle_stage == "deleted"
    java.send("runs/restore", p.RestoreRun(run_id=runs[0]))
    found, token = [], None
    while token != "":
        page = search(
            max_results=2,
            run_view_type=p.ACTIVE_ONLY,
            filter="tags.mlflow.user = 'ada'",
            order_by=["metrics.acc DESC"],
            page_token=token,
        )
        found.append([runs.index(run.info.run_id) for run in page.runs])
        token = page.next_page_token
    assert found == [[2, 1], [0]]


def test_a_refusal_is_the_same_when_it_is_sent_thrice(java, new_run):
    # It tries again at once whatever the error is, three times in all.
    run_id = new_run()
    java.send("runs/log-parameter", p.LogParam(run_uuid=run_id, run_id=run_id, key="k", value="1"))
    other = p.LogParam(run_uuid=run_id, run_id=run_id, key="k", value="2")
    answers = [java.answer_to("runs/log-parameter", other) for _ in range(3)]
    refusals = {(answer.status_code, answer.json()["error_code"]) for answer in answers}
    assert refusals == {(400, "INVALID_PARAMETER_VALUE")}
    assert [param.value for param in java.run(run_id).data.params] == ["1"]
