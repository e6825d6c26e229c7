"""Logging in the background: everything has arrived once it is flushed, and what was refused is heard of."""

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException


def test_what_was_logged_in_the_background_is_there_after_the_flush(client, experiment):
    with mlflow.start_run() as active:
        for step in range(300):
            mlflow.log_metric("loss", step / 10, step=step, synchronous=False)
            mlflow.log_metrics({"a": step, "b": -step}, step=step, synchronous=False)
        mlflow.log_param("p", 1, synchronous=False)
        mlflow.log_params({"q": 2, "r": 3}, synchronous=False)
        mlflow.set_tag("t", "x", synchronous=False)
        mlflow.set_tags({"u": "y"}, synchronous=False)
        mlflow.flush_async_logging()
        run_id = active.info.run_id
        data = mlflow.get_run(run_id).data
    assert data.metrics == {"loss": 29.9, "a": 299.0, "b": -299.0}
    assert data.params == {"p": "1", "q": "2", "r": "3"}
    assert (data.tags["t"], data.tags["u"]) == ("x", "y")
    history = client.get_metric_history(run_id, "loss")
    assert sorted((point.step, point.value) for point in history) == [(s, s / 10) for s in range(300)]


def test_background_logging_can_be_the_default(experiment):
    mlflow.config.enable_async_logging(True)
    try:
        with mlflow.start_run() as active:
            mlflow.log_param("p", 1)
            mlflow.log_metric("m", 2.5)
        mlflow.flush_async_logging()
    finally:
        mlflow.config.enable_async_logging(False)
    data = mlflow.get_run(active.info.run_id).data
    assert (data.params, data.metrics) == ({"p": "1"}, {"m": 2.5})


def test_a_background_call_can_be_waited_for(client, run_id):
    client.log_metric(run_id, "m", 1.0, step=1, synchronous=False).wait()
    assert client.get_run(run_id).data.metrics == {"m": 1.0}
    client.log_batch(
        run_id,
        [Metric("n", step, step, step) for step in range(2500)],
        [Param(f"p{number}", "v") for number in range(150)],
        [RunTag(f"t{number}", "v") for number in range(150)],
        synchronous=False,
    ).wait()
    data = client.get_run(run_id).data
    assert (data.metrics["n"], len(data.params)) == (2499.0, 150)
    assert {f"t{number}" for number in range(150)} <= set(data.tags)
    assert len(client.get_metric_history(run_id, "n")) == 2500


def test_what_the_server_refuses_in_the_background_is_heard_of(client, run_id):
    client.log_param(run_id, "p", 1)
    refused = client.log_param(run_id, "p", 2, synchronous=False)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        refused.wait()
    assert client.get_run(run_id).data.params == {"p": "1"}


def test_buffered_logging_arrives_whole(client, experiment, monkeypatch, database_value):
    monkeypatch.setenv("MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS", "1")
    with mlflow.start_run() as active:
        for step in range(2200):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        for number in range(120):
            mlflow.log_param(f"p{number}", number, synchronous=False)
        mlflow.flush_async_logging()
    run_id = active.info.run_id
    entries = database_value("select count(*) from tracklog_log.entry where run_id = $1", run_id)
    assert entries < 50  # it was buffered indeed
    assert sorted(point.step for point in client.get_metric_history(run_id, "m")) == list(range(2200))
    assert client.get_run(run_id).data.params == {f"p{number}": str(number) for number in range(120)}
