"""Autologging of a LightGBM training: a metric a round, and a model that predicts the same."""

import lightgbm
import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_iris

pytestmark = pytest.mark.filterwarnings("ignore")
ROUNDS = 12


@pytest.fixture
def autolog(usual_requirements):
    yield mlflow.lightgbm.autolog
    mlflow.lightgbm.autolog(disable=True)


def test_a_training_is_logged_round_by_round(tracking, experiment, autolog):
    features, target = load_iris(return_X_y=True, as_frame=True)
    autolog(log_models=True, log_datasets=True, silent=True)
    train = lightgbm.Dataset(features, target)
    parameters = {
        "objective": "multiclass",
        "num_class": 3,
        "learning_rate": 0.3,
        "num_threads": 1,
        "verbose": -1,
    }
    rounds = {}
    callbacks = [lightgbm.record_evaluation(rounds)]
    with mlflow.start_run() as active:
        booster = lightgbm.train(
            parameters, train, ROUNDS, valid_sets=[train], valid_names=["train"], callbacks=callbacks
        )
    run_id = active.info.run_id
    run = mlflow.get_run(run_id)

    assert (run.data.params["learning_rate"], run.data.params["num_boost_round"]) == ("0.3", str(ROUNDS))
    points = MlflowClient().get_metric_history(run_id, "train-multi_logloss")
    losses = rounds["train"]["multi_logloss"]
    assert [(point.step, point.value) for point in points] == list(enumerate(losses))
    assert run.data.metrics["train-multi_logloss"] == losses[-1]
    files = {entry.path for entry in MlflowClient().list_artifacts(run_id)}
    assert {"feature_importance_gain.json", "feature_importance_split.png"} <= files
    importance = mlflow.artifacts.load_dict(f"runs:/{run_id}/feature_importance_gain.json")
    gains = booster.feature_importance("gain").tolist()
    assert importance == dict(zip(booster.feature_name(), gains, strict=True))
    contexts = [tag.value for entry in run.inputs.dataset_inputs for tag in entry.tags]
    assert sorted(contexts) == ["eval", "train"]

    (output,) = run.outputs.model_outputs
    model = mlflow.get_logged_model(output.model_id)
    assert (str(model.status), model.source_run_id) == ("READY", run_id)
    for loaded in (
        mlflow.lightgbm.load_model(model.model_uri),
        mlflow.pyfunc.load_model(f"runs:/{run_id}/model"),
    ):
        np.testing.assert_array_equal(loaded.predict(features), booster.predict(features))
