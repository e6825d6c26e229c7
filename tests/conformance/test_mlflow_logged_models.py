"""MLflow 3's logged models: made, finalized, measured, tagged, searched, deleted."""

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

from tests.conformance.refusals import INVALID, NOT_FOUND, refused_with


@pytest.fixture
def models(client, experiment, run_id):
    """Two models named alpha (types t1 and t2) and one named beta, measured on dataset d or on none."""
    made = [
        client.create_logged_model(
            experiment, name, run_id, tags={"kind": name}, params={"p": str(number)}, model_type=model_type
        ).model_id
        for number, (name, model_type) in enumerate([("alpha", "t1"), ("beta", None), ("alpha", "t2")])
    ]
    client.log_metric(
        run_id, "acc", 0.9, model_id=made[0], dataset_name="d", dataset_digest="x", timestamp=1, step=1
    )
    client.log_metric(run_id, "acc", 0.5, model_id=made[1], timestamp=1, step=1)
    return made


def test_a_model_is_pending_until_it_is_finalized(client, experiment, run_id):
    made = client.create_logged_model(experiment, "alpha", run_id, {"a": "b"}, {"p": "1"}, "classifier")
    assert made.status == LoggedModelStatus.PENDING
    assert made.artifact_location == f"mlflow-artifacts:/{experiment}/models/{made.model_id}/artifacts"
    assert client.get_logged_model(made.model_id).to_dictionary() == made.to_dictionary()
    assert (made.name, made.source_run_id, made.model_type) == ("alpha", run_id, "classifier")
    assert (made.params, made.tags) == ({"p": "1"}, {"a": "b"})
    for status in (LoggedModelStatus.FAILED, LoggedModelStatus.READY):
        assert client.finalize_logged_model(made.model_id, status).status == status
        assert client.get_logged_model(made.model_id).status == status


def test_params_are_written_once_and_tags_come_and_go(client, models):
    model_id = models[0]
    client.log_model_params(model_id, {"depth": "3"})
    with refused_with(INVALID):
        client.log_model_params(model_id, {"depth": "4", "other": "1"})
    client.set_logged_model_tags(model_id, {"kind": "new", "x": "y"})
    client.delete_logged_model_tag(model_id, "x")
    model = client.get_logged_model(model_id)
    assert (model.params, model.tags) == ({"p": "0", "depth": "3"}, {"kind": "new"})
    with refused_with(NOT_FOUND):
        client.delete_logged_model_tag(model_id, "x")


def test_a_model_shows_every_point_measured_on_it(client, run_id, models):
    points = [
        Metric("loss", value, 1, step, models[0], "d", "x") for step, value in enumerate([3.0, 2.0, 1.0])
    ]
    client.log_batch(run_id, points)
    client.log_batch(run_id, points[1:])
    client.log_metric(run_id, "loss", 4.0, timestamp=2, step=0, model_id=models[0])
    measured = client.get_logged_model(models[0]).metrics
    assert [metric.value for metric in measured if metric.key == "acc"] == [0.9]
    loss = [metric for metric in measured if metric.key == "loss"]
    assert [(metric.timestamp, metric.step, metric.value) for metric in loss] == [
        (1, 0, 3.0), (1, 1, 2.0), (1, 2, 1.0), (2, 0, 4.0),
    ]  # fmt: skip
    assert {(metric.run_id, metric.dataset_name, metric.dataset_digest) for metric in loss[:3]} == {
        (run_id, "d", "x")
    }
    assert client.get_run(run_id).data.metrics == {"acc": 0.9, "loss": 1.0}


def test_a_model_s_tags_and_params_are_kept_as_they_are(client, experiment):
    odd = {"a#b": "x" * 10_000, "": "1", "../x": ""}
    made = client.create_logged_model(experiment, "alpha", tags=odd, params=odd)
    client.set_logged_model_tags(made.model_id, {"💥": "y" * 10_000})
    model = client.get_logged_model(made.model_id)
    assert (model.params, model.tags) == (odd, {**odd, "💥": "y" * 10_000})


def test_a_deleted_model_is_gone(client, experiment, models):
    client.delete_logged_model(models[0])
    for call in (
        lambda: client.get_logged_model(models[0]),
        lambda: client.delete_logged_model(models[0]),
        lambda: client.finalize_logged_model(models[0], LoggedModelStatus.READY),
    ):
        with refused_with(NOT_FOUND):
            call()
    found = client.search_logged_models([experiment])
    assert [model.model_id for model in found] == [models[2], models[1]]


def test_a_run_names_the_models_it_made(client, run_id, models):
    client.log_outputs(run_id, [LoggedModelOutput(models[0], 0), LoggedModelOutput(models[1], 7)])
    (run,) = client.search_runs([client.get_run(run_id).info.experiment_id])
    for outputs in (run.outputs, client.get_run(run_id).outputs):
        found = {(output.model_id, output.step) for output in outputs.model_outputs}
        assert found == {(models[0], 0), (models[1], 7)}


# The models found by each filter, by number, newest first.
FILTERS = {
    "": [2, 1, 0],
    "name = 'alpha'": [2, 0],
    "name != 'alpha'": [1],
    "name LIKE 'al%'": [2, 0],
    "name IN ('beta', 'x')": [1],
    "model_type = 't1'": [0],
    "metrics.acc > 0.6": [0],
    "metrics.acc = 0.5": [1],
    "params.p != '1'": [2, 0],
    "tags.kind ILIKE 'ALPHA'": [2, 0],
    "attributes.name = 'beta' AND metrics.acc < 1": [1],
    "status = 'PENDING'": [2, 1, 0],
    "status = 'READY'": [],
    "creation_timestamp > 0": [2, 1, 0],
}


def test_models_are_searched(client, experiment, run_id, models):
    def found(text="", **search):
        page = client.search_logged_models([experiment], text, **search)
        return [models.index(model.model_id) for model in page]

    assert {text: found(text) for text in FILTERS} == FILTERS
    assert found(f"source_run_id = '{run_id}' AND model_id = '{models[2]}'") == [2]
    assert found(datasets=[{"dataset_name": "d", "dataset_digest": "x"}]) == [0]
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": True}]) == [1, 0, 2]
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": False}]) == [0, 1, 2]
    assert found(order_by=[{"field_name": "name"}]) == [2, 0, 1]
    page = client.search_logged_models([experiment], max_results=2)
    rest = client.search_logged_models([experiment], max_results=2, page_token=page.token)
    assert [models.index(model.model_id) for model in (*page, *rest)] == [2, 1, 0]
    assert not rest.token


def test_models_are_ordered_by_their_status_s_number(api, experiment, models):
    # A client may set the status that its name puts last.
    unspecified = {"model_id": models[1], "status": 0}
    assert api.call("PATCH", f"logged-models/{models[1]}", unspecified).status == 200
    order_by = [{"field_name": "status"}, {"field_name": "creation_timestamp"}]
    found = api.post("logged-models/search", {"experiment_ids": [experiment], "order_by": order_by})["models"]
    assert [models.index(model["info"]["model_id"]) for model in found] == [1, 0, 2]


@pytest.mark.parametrize("text", ["name = alpha", "name IS NULL", "foo = 'x'", "name ="])
def test_what_is_no_filter_of_models_is_refused(client, experiment, text):
    with refused_with(INVALID):
        client.search_logged_models([experiment], text)


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%b", "a'b", 'a"b'])
def test_a_model_s_name_is_checked(client, experiment, name):
    with refused_with(INVALID):
        client.create_logged_model(experiment, name)


def test_what_does_not_exist_is_not_found(client, experiment):
    for call in (
        lambda: client.get_logged_model("m-" + "0" * 32),
        lambda: client.create_logged_model("999999999", "alpha"),
        lambda: client.finalize_logged_model("nope", LoggedModelStatus.READY),
    ):
        with refused_with(NOT_FOUND):
            call()


def test_a_model_made_outside_is_kept_by_its_fields(tracking, experiment):
    model = mlflow.create_external_model(name="gpt", model_type="agent", params={"t": "0.2"}, tags={"a": "b"})
    found = mlflow.search_logged_models([experiment])
    assert found["model_id"].tolist() == [model.model_id]
    assert found["name"].tolist() == ["gpt"]
    assert found["params"][0] == {"t": "0.2"}
