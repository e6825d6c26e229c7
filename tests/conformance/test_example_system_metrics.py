"""System metrics of a run, sampled in the background while it trains."""

import time

import mlflow
import pytest


@pytest.fixture
def sampled():
    mlflow.set_system_metrics_sampling_interval(0.1)
    mlflow.set_system_metrics_samples_before_logging(2)
    mlflow.set_system_metrics_node_id("node-1")
    mlflow.enable_system_metrics_logging()
    yield
    mlflow.disable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(None)
    mlflow.set_system_metrics_samples_before_logging(None)
    mlflow.set_system_metrics_node_id(None)


def test_the_machine_is_measured_while_a_run_goes_on(client, experiment, sampled):
    with mlflow.start_run() as active:
        mlflow.log_metric("loss", 1.0)
        time.sleep(1.0)
    run = client.get_run(active.info.run_id)
    assert run.data.metrics["loss"] == 1.0
    names = {name for name in run.data.metrics if name.startswith("system/")}
    assert {
        "system/node-1/cpu_utilization_percentage",
        "system/node-1/system_memory_usage_megabytes",
        "system/node-1/disk_usage_percentage",
    } <= names
    points = client.get_metric_history(active.info.run_id, "system/node-1/system_memory_usage_megabytes")
    assert [point.step for point in points] == list(range(len(points)))
    assert len(points) >= 2
    assert all(point.value > 0 for point in points)
    found = mlflow.search_runs([experiment], "metrics.`system/node-1/cpu_utilization_percentage` >= 0")
    assert list(found["run_id"]) == [active.info.run_id]
