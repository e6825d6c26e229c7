"""MLflow's client with the plugin: by way of the spool, and every read sees what was written before it."""

import contextlib
import math
import os
import sys
import threading
import types

import mlflow
import pytest
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from tests.support.plugin import plugged_in, requests_seen
from tracklog.mlflow_plugin import lane

WRITES = {"LogMetric", "LogParam", "LogBatch", "SetTag", "UpdateRun"}


@pytest.fixture(autouse=True)
def plugged(tracking_server, spool, monkeypatch):
    monkeypatch.setenv("TRACKLOG_MLFLOW_PLUGIN", "1")
    with plugged_in(tracking_server.url):
        yield


@pytest.fixture
def requests():
    """The requests made MLflow's own way."""
    with requests_seen() as seen:
        yield seen


def plain_run(api, run_id):
    """The run as the server has it, asked past MLflow's client."""
    return api.get("runs/get", {"run_id": run_id})["run"]


def history(client, run_id, key):
    return sorted((m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, key))


def test_what_is_logged_goes_by_the_spool_and_is_read_at_once(client, api, experiment, requests):
    with mlflow.start_run() as active:
        run_id = active.info.run_id
        assert mlflow.log_param("p", 0.5) == 0.5
        mlflow.log_params({"q": 2, "r": "x"})
        mlflow.log_metric("m", 1.5, step=3, timestamp=7)
        assert client.get_run(run_id).data.metrics == {"m": 1.5}
        mlflow.log_metric("m", math.nan, step=4)
        mlflow.log_metrics({"a": math.inf, "b": -1}, step=2)
        mlflow.set_tag("t", "u")
        mlflow.set_tags({"v": 1})
        data = client.get_run(run_id).data
    assert data.params == {"p": "0.5", "q": "2", "r": "x"}
    assert (data.metrics["a"], data.metrics["b"], math.isnan(data.metrics["m"])) == (math.inf, -1.0, True)
    assert (data.tags["t"], data.tags["v"]) == ("u", "1")
    assert WRITES.isdisjoint(requests)
    # What has ended is on the server, with nothing of this process's help.
    info = plain_run(api, run_id)["info"]
    assert (info["status"], info["end_time"] >= info["start_time"]) == ("FINISHED", True)


def test_a_batch_arrives_as_it_was(client, run_id, requests):
    metrics = [Metric("dense", step / 2, 5, step) for step in range(500)]
    metrics += [Metric("sparse", step, step + 1, step**2) for step in range(300)]
    metrics += [Metric("same", value, 9, 1) for value in (1.0, 2.0, 2.0)]
    metrics += [Metric(f"one {n}", n, 4, -(2**63)) for n in range(100)]
    client.log_batch(run_id, metrics, [Param(f"p{n}", "") for n in range(90)], [RunTag("t", "é")])
    client.log_batch(run_id, [], [], [])
    assert WRITES.isdisjoint(requests)
    assert history(client, run_id, "dense") == [(step, 5, step / 2) for step in range(500)]
    assert history(client, run_id, "sparse") == [(s**2, s + 1, float(s)) for s in range(300)]
    assert history(client, run_id, "same") == [(1, 9, 1.0), (1, 9, 2.0)]
    data = client.get_run(run_id).data
    assert {data.metrics[f"one {n}"] for n in range(100)} == {float(n) for n in range(100)}
    assert (data.params, data.tags["t"]) == ({f"p{n}": "" for n in range(90)}, "é")


def test_searches_see_what_was_logged(client, experiment):
    with mlflow.start_run():
        mlflow.log_metric("m", 1)
        for value in (2, 3):
            mlflow.log_metric("m", value, step=value)
            assert mlflow.search_runs(filter_string=f"metrics.m = {value}").shape[0] == 1
        mlflow.log_param("p", "x")
        assert len(client.search_runs([experiment], "params.p = 'x'")) == 1
        mlflow.set_tag("t", experiment)
        assert len(client.search_runs(["*"], f"tags.t = '{experiment}'")) == 1


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_as_it_was_ended(client, api, experiment, status):
    run = mlflow.start_run()
    mlflow.log_metric("m", 1)
    mlflow.end_run(status)
    assert plain_run(api, run.info.run_id)["info"]["status"] == status
    client.log_metric(run.info.run_id, "m", 2, step=1)
    assert client.get_run(run.info.run_id).data.metrics == {"m": 2.0}


def test_an_exception_fails_the_run_and_goes_on(api, experiment):
    with contextlib.suppress(KeyboardInterrupt), mlflow.start_run() as active:
        mlflow.log_metric("m", 1)
        raise KeyboardInterrupt
    run = plain_run(api, active.info.run_id)
    assert (run["info"]["status"], run["data"]["metrics"][0]["value"]) == ("FAILED", 1)


def test_the_end_is_told_with_the_run_s_present_name(api, experiment, capsys):
    with mlflow.start_run(run_name="old") as active:
        mlflow.set_tag("mlflow.runName", "new")
    told = capsys.readouterr().out
    assert f"View run new at: {mlflow.get_tracking_uri()}/#/experiments/{experiment}/runs/" in told
    assert plain_run(api, active.info.run_id)["info"]["run_name"] == "new"


def test_a_run_can_be_resumed_and_renamed(client, api, experiment):
    with mlflow.start_run() as active:
        mlflow.log_metric("m", 1)
    run_id = active.info.run_id
    with mlflow.start_run(run_id, run_name="again"):
        assert plain_run(api, run_id)["info"]["status"] == "RUNNING"
        mlflow.log_metric("m", 2, step=1)
    client.update_run(run_id, name="renamed")
    info = plain_run(api, run_id)["info"]
    assert (info["status"], info["run_name"]) == ("FINISHED", "renamed")
    assert history(client, run_id, "m")[-1][2] == 2.0


def test_what_the_lane_cannot_carry_goes_mlflow_s_way_in_its_turn(client, experiment, requests):
    with mlflow.start_run() as active:
        run_id = active.info.run_id
        model = client.create_logged_model(experiment, source_run_id=run_id)
        mlflow.set_tag("t", "first")
        client.delete_tag(run_id, "t")
        mlflow.set_tag("t", "second")
        mlflow.log_metric("m", 1, step=1)
        mlflow.log_metric("m", 2, step=2, model_id=model.model_id)
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=2)])
        mlflow.log_input(MetaDataset(HTTPDatasetSource("http://127.0.0.1/data"), name="d"))
        mlflow.log_metric("m", 3, step=3)
        mlflow.log_text("text", "file.txt")
    assert {"DeleteTag", "LogMetric", "LogInputs", "LogOutputs"} <= set(requests)
    run = client.get_run(run_id)
    assert (run.data.tags["t"], len(history(client, run_id, "m"))) == ("second", 3)
    assert [m.value for m in client.get_logged_model(model.model_id).metrics] == [2.0]
    assert [item.dataset.name for item in run.inputs.dataset_inputs] == ["d"]
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]


def test_logging_in_the_background_is_waited_for(client, api, run_id, requests):
    client.log_metric(run_id, "m", 1, step=1, synchronous=False).wait()
    assert plain_run(api, run_id)["data"]["metrics"][0]["value"] == 1
    client.log_param(run_id, "p", 1, synchronous=False)
    client.set_tag(run_id, "t", 1, synchronous=False)
    client.log_batch(run_id, [Metric("n", n, n, n) for n in range(2500)], synchronous=False)
    mlflow.flush_async_logging()
    data = plain_run(api, run_id)["data"]
    assert {metric["key"]: metric["value"] for metric in data["metrics"]} == {"m": 1, "n": 2499}
    assert data["params"] == [{"key": "p", "value": "1"}]
    assert WRITES.isdisjoint(requests)


def test_threads_log_side_by_side(client, experiment):
    def log(run_id, number):
        for step in range(200):
            client.log_metric(run_id, f"m{number}", step, step=step)
        client.log_param(run_id, f"p{number}", number)

    with mlflow.start_run() as parent, mlflow.start_run(nested=True) as child:
        ids = [parent.info.run_id, child.info.run_id]
        threads = [threading.Thread(target=log, args=(ids[n % 2], n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.get_run(ids[1]).data.tags["mlflow.parentRunId"] == ids[0]
    for number in range(8):
        points = client.get_metric_history(ids[number % 2], f"m{number}")
        assert sorted(point.value for point in points) == list(range(200))
        assert client.get_run(ids[number % 2]).data.params[f"p{number}"] == str(number)


def test_a_forked_child_logs_to_the_same_run(client, experiment):
    with mlflow.start_run() as active:
        mlflow.log_metric("parent", 1)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                for step in range(100):
                    client.log_metric(active.info.run_id, "child", step, step=step)
                seen = client.get_run(active.info.run_id).data.metrics
                code = 0 if seen["child"] == 99 else 2
            finally:
                os._exit(code)
        mlflow.log_metric("parent", 2, step=1)
        assert os.waitpid(pid, 0)[1] == 0
    assert len(history(client, active.info.run_id, "child")) == 100
    assert len(history(client, active.info.run_id, "parent")) == 2


def test_many_open_runs_share_few_files(client, experiment, monkeypatch):
    monkeypatch.setattr(lane, "OPEN_RUNS_MAX", 4)
    ids = [client.create_run(experiment).info.run_id for _ in range(10)]
    for step in range(3):
        for run_id in ids:
            client.log_metric(run_id, "m", step, step=step)
    (known,) = lane._lanes.values()
    assert sum(run.is_open for run in known._runs.values()) <= 4
    for run_id in ids:
        assert [value for _, _, value in history(client, run_id, "m")] == [0, 1, 2]


def test_known_runs_are_not_remembered_for_ever(client, experiment, monkeypatch):
    monkeypatch.setattr(lane, "KNOWN_RUNS_MAX", 10)
    ids = [client.create_run(experiment).info.run_id for _ in range(14)]
    (known,) = lane._lanes.values()
    assert len(known._runs) <= 10
    # One that was forgotten is asked about again.
    with requests_seen() as seen:
        client.log_metric(ids[0], "m", 1)
        client.log_metric(ids[0], "m", 2, step=1)
    assert seen == ["LogMetric"]
    assert len(history(MlflowClient(), ids[0], "m")) == 2


class Searches:
    """A finder of modules that finds none, and remembers what was searched for."""

    def __init__(self):
        self.names = []

    def find_spec(self, name, path=None, target=None):
        self.names.append(name)


def test_a_fluent_call_does_not_search_for_spark(experiment, monkeypatch):
    searches = Searches()
    monkeypatch.setattr(sys, "meta_path", [searches, *sys.meta_path])
    with mlflow.start_run():
        searches.names.clear()
        mlflow.log_metric("m", 1)
        assert "pyspark" not in searches.names
        # Where Spark has been imported MLflow asks it, as ever.
        spark = types.ModuleType("pyspark")
        spark.__path__ = []
        monkeypatch.setitem(sys.modules, "pyspark", spark)
        mlflow.log_metric("m", 2)
        assert "pyspark.sql" in searches.names
