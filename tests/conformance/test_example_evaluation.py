"""MLflow's evaluation of a small classifier: metrics, plots and tables of a run."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_classifier_is_evaluated(client, experiment):
    features, target = load_iris(return_X_y=True, as_frame=True)
    features, target = features[target < 2], target[target < 2]
    fitted = LogisticRegression(C=0.01, max_iter=300).fit(features, target)
    with mlflow.start_run() as active:
        model = mlflow.sklearn.log_model(fitted, name="classifier", pip_requirements=["scikit-learn"])
        result = mlflow.models.evaluate(
            model.model_uri,
            features.assign(label=target),
            targets="label",
            model_type="classifier",
            evaluators="default",
            evaluator_config={"log_model_explainability": False},
        )
    run_id = active.info.run_id
    run = client.get_run(run_id)
    assert run.data.metrics["accuracy_score"] == fitted.score(features, target)
    assert run.data.metrics == pytest.approx(result.metrics)
    files = {entry.path for entry in client.list_artifacts(run_id)}
    assert {"confusion_matrix.png", "roc_curve_plot.png"} <= files
    assert mlflow.artifacts.load_image(f"runs:/{run_id}/confusion_matrix.png").size[0] > 0
    logged = client.get_logged_model(model.model_id)
    measured = {metric.key: metric.value for metric in logged.metrics}
    assert measured["accuracy_score"] == fitted.score(features, target)
    (entry,) = [entry for entry in run.inputs.dataset_inputs if entry.dataset.profile]
    assert f'"num_rows": {len(features)}' in entry.dataset.profile


def test_predictions_are_evaluated_row_by_row(client, experiment):
    table = pd.DataFrame({"question": ["a", "b", "c"], "truth": [1.0, 2.0, 4.0], "said": [1.0, 2.5, 3.0]})

    def off_by(predictions, targets):
        errors = np.abs(predictions - targets)
        return mlflow.metrics.MetricValue(
            scores=errors.tolist(), aggregate_results={"mean": float(errors.mean())}
        )

    metric = mlflow.metrics.make_metric(eval_fn=off_by, greater_is_better=False, name="off_by")
    with mlflow.start_run() as active:
        mlflow.models.evaluate(
            data=table, targets="truth", predictions="said", extra_metrics=[metric], evaluators="default"
        )
    run_id = active.info.run_id
    assert client.get_run(run_id).data.metrics["off_by/mean"] == 0.5
    rows = mlflow.load_table("eval_results_table.json", [run_id])
    assert list(rows["question"]) == ["a", "b", "c"]
    assert list(rows["off_by/score"]) == [0.0, 0.5, 1.0]
