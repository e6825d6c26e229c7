"""Every method of MlflowClient that concerns runs, their metrics, params, tags, inputs and outputs."""

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)

from tests.conformance.refusals import INVALID, NOT_FOUND, param_refused, refused_with

UNKNOWN = "0" * 32


def test_a_run_is_created_updated_and_ended(client, experiment):
    run = client.create_run(experiment, start_time=5, tags={"a": "b"}, run_name="first")
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("RUNNING", 5, None)
    assert run.data.tags == {"a": "b", "mlflow.runName": "first"}
    number = run.info.run_id
    client.update_run(number, status="SCHEDULED", name="second")
    info = client.get_run(number).info
    assert (info.status, info.run_name, info.end_time) == ("SCHEDULED", "second", None)
    assert client.get_run(number).data.tags["mlflow.runName"] == "second"
    client.set_tag(number, "mlflow.runName", "third")
    assert client.get_run(number).info.run_name == "third"
    for status in ("FAILED", "KILLED", "FINISHED"):
        client.set_terminated(number, status, end_time=77)
        info = client.get_run(number).info
        assert (info.status, info.end_time, info.run_name) == (status, 77, "third")


def test_a_run_is_created_with_tags_of_any_key(client, experiment):
    odd = {"a#b": "1", "": "2", "../x": "x" * 8000, "💥": "y" * 8001}
    run_id = client.create_run(experiment, tags=odd, run_name="odd").info.run_id
    expected = {**odd, "💥": "y" * 8000, "mlflow.runName": "odd"}
    assert client.get_run(run_id).data.tags == expected
    for tags in ({"k" * 251: ""}, {"mlflow.runName": "n" * 8001}):
        with refused_with(INVALID):
            client.create_run(experiment, tags=tags)


def test_inputs_and_outputs_that_say_nothing_are_kept_as_empty(api, client, run_id):
    api.post(
        "runs/log-inputs", {"run_id": run_id, "datasets": [{}, {"dataset": {"name": "d"}, "tags": [{}]}]}
    )
    api.post("runs/outputs", {"run_id": run_id, "models": [{"step": 1}]})
    run = client.get_run(run_id)
    datasets = [vars(found.dataset) for found in run.inputs.dataset_inputs]
    assert [(found["_name"], found["_digest"], found["_source"]) for found in datasets] == [
        ("", "", ""),
        ("d", "", ""),
    ]
    assert [(tag.key, tag.value) for tag in run.inputs.dataset_inputs[1].tags] == [("", "")]
    assert [(output.model_id, output.step) for output in run.outputs.model_outputs] == [("", 1)]


def test_single_values_are_logged(client, run_id):
    client.log_metric(run_id, "m", 1.5, timestamp=7, step=-3)
    client.log_param(run_id, "p", "v")
    client.set_tag(run_id, "t", "1")
    client.set_tag(run_id, "t", "2")
    client.set_tag(run_id, "gone", "")
    client.delete_tag(run_id, "gone")
    data = client.get_run(run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"m": 1.5}, {"p": "v"}, "2")
    assert "gone" not in data.tags
    (point,) = client.get_metric_history(run_id, "m")
    assert (point.key, point.value, point.timestamp, point.step) == ("m", 1.5, 7, -3)
    with refused_with(NOT_FOUND):
        client.delete_tag(run_id, "gone")


def test_a_batch_is_logged_whole_or_not_at_all(client, run_id):
    client.log_batch(
        run_id,
        metrics=[Metric("m", step / 2, 10 + step, step) for step in range(1000)],
    )
    client.log_batch(run_id, params=[Param("p", "1")], tags=[RunTag("t", "1"), RunTag("t", "2")])
    before = client.get_run(run_id).data
    assert (before.metrics, before.params, before.tags["t"]) == ({"m": 499.5}, {"p": "1"}, "2")
    with refused_with(INVALID):
        client.log_batch(
            run_id, [Metric("n", 1, 1, 1)], [Param("q", "1"), Param("p", "2")], [RunTag("u", "")]
        )
    assert client.get_run(run_id).data.to_dictionary() == before.to_dictionary()
    assert len(client.get_metric_history(run_id, "m")) == 1000


def test_long_values_are_cut_as_mlflow_cuts_them(client, run_id):
    client.log_param(run_id, "p", "x" * 6001)
    client.set_tag(run_id, "t", "y" * 8001)
    data = client.get_run(run_id).data
    assert (data.params["p"], data.tags["t"]) == ("x" * 6000, "y" * 8000)


def test_inputs_and_outputs(client, run_id):
    dataset = Dataset("d", "x", "local", "/data", schema="{}", profile='{"rows": 3}')
    entry = DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])
    client.log_inputs(run_id, [entry, entry], [LoggedModelInput("m-1")])
    client.log_inputs(run_id, [entry])
    client.log_outputs(run_id, [LoggedModelOutput("m-2", 3)])
    run = client.get_run(run_id)
    assert [found.to_dictionary() for found in run.inputs.dataset_inputs] == [entry.to_dictionary()]
    assert [model.model_id for model in run.inputs.model_inputs] == ["m-1"]
    assert [(model.model_id, model.step) for model in run.outputs.model_outputs] == [("m-2", 3)]


def test_a_deleted_run_can_be_read_but_not_changed(client, experiment, run_id):
    client.log_metric(run_id, "m", 1)
    client.delete_run(run_id)
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert len(client.get_metric_history(run_id, "m")) == 1
    changes = [
        lambda: client.log_metric(run_id, "m", 2),
        lambda: client.set_tag(run_id, "t", 2),
        lambda: client.delete_tag(run_id, "mlflow.runName"),
        lambda: client.log_batch(run_id, [Metric("m", 2, 2, 2)]),
        lambda: client.update_run(run_id, "FINISHED"),
        lambda: client.log_inputs(run_id, [DatasetInput(Dataset("d", "x", "s", "u"))]),
    ]
    for change in changes:
        with refused_with(INVALID):
            change()
    with param_refused("must be in the 'active' state"):
        client.log_param(run_id, "p", 2)
    client.restore_run(run_id)
    client.restore_run(run_id)
    assert [run.data.metrics for run in client.search_runs([experiment])] == [{"m": 1.0}]


def test_what_does_not_exist_is_not_found(client):
    for call in (
        lambda: client.get_run(UNKNOWN),
        lambda: client.delete_run(UNKNOWN),
        lambda: client.restore_run("nope"),
        lambda: client.log_metric(UNKNOWN, "m", 1),
        lambda: client.log_batch(UNKNOWN, params=[Param("p", "1")]),
        lambda: client.set_terminated(UNKNOWN),
        lambda: client.get_experiment("999999999"),
        lambda: client.create_run("999999999"),
        lambda: client.rename_experiment("999999999", "x"),
        lambda: client.set_experiment_tag("999999999", "k", "v"),
    ):
        with refused_with(NOT_FOUND):
            call()
    with refused_with(INVALID):
        client.get_experiment("abc")
    assert client.get_metric_history(UNKNOWN, "m") == []
    assert list(client.search_runs(["999999999"])) == []
