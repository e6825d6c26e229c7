"""Every read that begins after a write was acknowledged sees it, whoever reads and however."""

import statistics
import threading
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, Metric, ViewType

ROUNDS = 25


def test_each_write_is_seen_by_the_read_after_it(client, experiment, run_id):
    for number in range(ROUNDS):
        client.log_metric(run_id, "m", number, step=number)
        assert client.get_run(run_id).data.metrics["m"] == number
        client.log_param(run_id, f"p{number}", number)
        assert client.get_run(run_id).data.params[f"p{number}"] == str(number)
        client.set_tag(run_id, "t", number)
        (found,) = client.search_runs([experiment], f"tags.t = '{number}' AND metrics.m = {number}")
        assert (found.data.tags["t"], found.data.metrics["m"]) == (str(number), number)
        client.log_batch(run_id, [Metric("h", number, number, number)])
        assert len(client.get_metric_history(run_id, "h")) == number + 1
        client.delete_tag(run_id, "t")
        assert list(client.search_runs([experiment], "tags.t IS NOT NULL")) == []


def test_a_read_waits_for_its_run_not_for_a_clock(api, run_id):
    """Readers are woken when the views have come so far; asking twice a second is for lost wake-up calls."""
    waits_s = []
    for number in range(25):
        api.post("runs/log-metric", {"run_id": run_id, "key": "m", "value": number, "timestamp": number})
        began = time.monotonic()
        api.get("runs/get", {"run_id": run_id})
        waits_s.append(time.monotonic() - began)
    assert statistics.median(waits_s) < 0.2


def test_each_change_of_a_run_or_experiment_is_seen_at_once(client, experiment):
    for number in range(ROUNDS):
        run = client.create_run(experiment, run_name=f"r{number}").info.run_id
        assert [found.info.run_id for found in client.search_runs([experiment], max_results=1)] == [run]
        client.update_run(run, status="FAILED", name=f"n{number}")
        (found,) = client.search_runs([experiment], f"run_name = 'n{number}'")
        assert found.info.status == "FAILED"
        client.delete_run(run)
        assert list(client.search_runs([experiment])) == []
        assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == number + 1
        client.set_experiment_tag(experiment, "n", str(number))
        assert client.get_experiment(experiment).tags["n"] == str(number)


def test_new_names_are_found_at_once(client, new_name):
    stem = new_name()
    for number in range(ROUNDS):
        made = client.create_experiment(f"{stem}/{number}")
        assert client.get_experiment_by_name(f"{stem}/{number}").experiment_id == made
        client.rename_experiment(made, f"{stem}/{number}/new")
        assert client.get_experiment_by_name(f"{stem}/{number}/new").experiment_id == made
        assert client.get_experiment_by_name(f"{stem}/{number}") is None
        assert len(client.search_experiments(filter_string=f"name LIKE '{stem}/%'")) == number + 1


def test_logged_models_are_seen_at_once(client, experiment, run_id):
    for number in range(ROUNDS):
        model = client.create_logged_model(experiment, f"model{number}", run_id)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        client.log_metric(
            run_id, "acc", number, model_id=model.model_id, dataset_name="d", dataset_digest="x"
        )
        assert [metric.value for metric in client.get_logged_model(model.model_id).metrics] == [number]
        (found,) = client.search_logged_models([experiment], f"metrics.acc = {number}")
        assert (found.model_id, found.status) == (model.model_id, LoggedModelStatus.READY)


def test_a_deletion_reaches_every_run_at_once(client, experiment):
    runs = [client.create_run(experiment).info.run_id for _ in range(30)]
    for _ in range(5):
        client.delete_experiment(experiment)
        assert {client.get_run(run).info.lifecycle_stage for run in runs} == {"deleted"}
        client.restore_experiment(experiment)
        assert len(client.search_runs([experiment])) == 30


def test_readers_see_what_writers_of_one_run_have_acknowledged(tracking, experiment, run_id):
    """Four threads log to one run while each of them reads it."""
    wrong = []

    def log_and_read(worker):
        client = MlflowClient(tracking)
        for step in range(ROUNDS):
            client.log_metric(run_id, f"m{worker}", step, step=step)
            if client.get_run(run_id).data.metrics.get(f"m{worker}") != step:
                wrong.append((worker, step, "get"))
            found = client.search_runs([experiment], f"metrics.m{worker} >= {step}")
            if len(found) != 1:
                wrong.append((worker, step, "search"))
            if len(client.get_metric_history(run_id, f"m{worker}")) != step + 1:
                wrong.append((worker, step, "history"))

    threads = [threading.Thread(target=log_and_read, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert mlflow.get_run(run_id).data.metrics == {f"m{worker}": ROUNDS - 1 for worker in range(4)}
