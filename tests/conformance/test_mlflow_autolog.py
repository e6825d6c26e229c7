"""Autologging of a scikit-learn training, and the model that comes out of it."""

import json

import mlflow
import numpy as np
import pytest
import sklearn.metrics
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split

pytestmark = pytest.mark.filterwarnings("ignore:::sklearn.*", "ignore:::skops.*", "ignore:::mlflow.*")


@pytest.fixture
def iris():
    features, target = load_iris(return_X_y=True, as_frame=True)
    return train_test_split(features, target, random_state=1)


@pytest.fixture
def autolog(usual_requirements):
    yield mlflow.sklearn.autolog
    mlflow.sklearn.autolog(disable=True)


def test_a_training_is_logged_and_its_model_predicts_the_same(tracking, experiment, iris, autolog):
    train_x, test_x, train_y, test_y = iris
    autolog(log_models=True, log_input_examples=True, silent=True)
    with mlflow.start_run() as active:
        fitted = LogisticRegression(C=0.5, max_iter=300).fit(train_x, train_y)
        accuracy = sklearn.metrics.accuracy_score(test_y, fitted.predict(test_x))
    run = mlflow.get_run(active.info.run_id)

    assert (run.data.params["C"], run.data.params["max_iter"]) == ("0.5", "300")
    assert run.data.metrics["training_accuracy_score"] == fitted.score(train_x, train_y)
    assert run.data.metrics["accuracy_score_test_x"] == accuracy
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"dataset"}
    files = {entry.path for entry in MlflowClient().list_artifacts(run.info.run_id)}
    assert {"estimator.html", "training_confusion_matrix.png"} <= files

    (output,) = run.outputs.model_outputs
    model = mlflow.get_logged_model(output.model_id)
    assert (str(model.status), model.source_run_id) == ("READY", run.info.run_id)
    assert model.experiment_id == experiment
    assert model.params["C"] == "0.5"
    measured = {metric.key: metric for metric in model.metrics}
    training = measured["training_accuracy_score"]
    assert (training.value, training.run_id) == (fitted.score(train_x, train_y), run.info.run_id)
    assert training.dataset_digest == run.inputs.dataset_inputs[0].dataset.digest

    for uri in (model.model_uri, f"runs:/{run.info.run_id}/model"):
        loaded = mlflow.pyfunc.load_model(uri)
        np.testing.assert_array_equal(loaded.predict(test_x), fitted.predict(test_x))
    loaded = mlflow.sklearn.load_model(model.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(test_x), fitted.predict_proba(test_x))
    found = mlflow.search_logged_models(
        [experiment], "metrics.training_accuracy_score > 0.5", output_format="list"
    )
    assert [entry.model_id for entry in found] == [model.model_id]


def test_a_grid_search_logs_a_run_for_each_candidate(tracking, experiment, iris, autolog):
    train_x, _, train_y, _ = iris
    autolog(log_models=False, silent=True)
    search = GridSearchCV(LogisticRegression(max_iter=300), {"C": [0.01, 0.1, 1.0]}, cv=2, n_jobs=1)
    with mlflow.start_run() as active:
        search.fit(train_x, train_y)
    parent = mlflow.get_run(active.info.run_id)
    assert parent.data.params["best_C"] == str(search.best_params_["C"])
    assert parent.data.metrics["best_cv_score"] == search.best_score_
    children = mlflow.search_runs(
        filter_string=f"tags.`mlflow.parentRunId` = '{active.info.run_id}'",
        order_by=["metrics.mean_test_score DESC"],
    )
    assert sorted(children["params.C"]) == ["0.01", "0.1", "1.0"]
    assert children["params.C"][0] == str(search.best_params_["C"])


def test_a_model_is_logged_by_hand_and_measured(tracking, experiment, iris):
    train_x, test_x, train_y, _ = iris
    fitted = LogisticRegression(max_iter=300).fit(train_x, train_y)
    with mlflow.start_run() as active:
        info = mlflow.sklearn.log_model(
            fitted,
            name="classifier",
            input_example=train_x[:2],
            params={"C": "1"},
            tags={"owner": "ada"},
            # Named here, since finding them out takes MLflow many seconds.
            pip_requirements=["scikit-learn"],
        )
        mlflow.log_metric("acc", 0.9, model_id=info.model_id)
    model = mlflow.get_logged_model(info.model_id)
    assert (model.name, model.params["C"], model.tags["owner"]) == ("classifier", "1", "ada")
    assert [(metric.key, metric.value) for metric in model.metrics] == [("acc", 0.9)]
    assert mlflow.get_run(active.info.run_id).data.metrics == {"acc": 0.9}
    files = {entry.path for entry in MlflowClient().list_logged_model_artifacts(info.model_id)}
    assert {"MLmodel", "requirements.txt", "input_example.json"} <= files
    example = mlflow.artifacts.load_dict(f"{model.artifact_location}/input_example.json")
    assert example["columns"] == list(train_x.columns)
    signature = mlflow.models.get_model_info(model.model_uri).signature
    assert [column["name"] for column in json.loads(signature.to_dict()["inputs"])] == list(train_x.columns)
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model(info.model_uri).predict(test_x), fitted.predict(test_x)
    )
