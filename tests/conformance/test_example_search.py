"""A search of hyperparameters with Optuna: one parent run, a child run for each trial."""

import mlflow
import optuna
import pytest


def test_trials_are_children_of_the_search(tracking, experiment):
    def objective(trial):
        with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
            x = trial.suggest_float("x", -10, 10)
            kind = trial.suggest_categorical("kind", ["a", "b"])
            mlflow.log_params(trial.params)
            for step in range(3):
                trial.report((x - 2) ** 2 + 3 - step, step)
                mlflow.log_metric("loss", (x - 2) ** 2 + 3 - step, step=step)
            mlflow.set_tag("pruned", kind == "b" and x > 5)
            return (x - 2) ** 2

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=7))
    with mlflow.start_run(run_name="search") as parent:
        study.optimize(objective, n_trials=15)
        mlflow.log_params({f"best_{name}": value for name, value in study.best_params.items()})
        mlflow.log_metric("best_loss", study.best_value)
    parent_id = parent.info.run_id
    children = mlflow.search_runs(
        [experiment], f"tags.mlflow.parentRunId = '{parent_id}'", order_by=["metrics.loss ASC"]
    )
    trials = sorted(study.trials, key=lambda trial: trial.value)
    assert list(children["tags.mlflow.runName"]) == [f"trial {trial.number}" for trial in trials]
    assert list(children["params.x"]) == [str(trial.params["x"]) for trial in trials]
    assert list(children["metrics.loss"]) == pytest.approx([trial.value + 1 for trial in trials])
    assert set(children["status"]) == {"FINISHED"}
    (top,) = mlflow.search_runs([experiment], "tags.mlflow.parentRunId IS NULL", output_format="list")
    assert top.info.run_id == parent_id
    assert float(top.data.params["best_x"]) == study.best_params["x"]
    # Only the better half of one kind, the best first.
    middle = trials[len(trials) // 2].value + 1
    filtered = mlflow.search_runs(
        [experiment],
        f"tags.mlflow.parentRunId = '{parent_id}' AND params.kind = 'a' AND metrics.loss < {middle}",
        order_by=["metrics.loss"],
        max_results=3,
    )
    expected = [t for t in trials if t.params["kind"] == "a" and t.value + 1 < middle][:3]
    assert list(filtered["params.x"]) == [str(trial.params["x"]) for trial in expected]
