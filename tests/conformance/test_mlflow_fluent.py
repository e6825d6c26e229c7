"""What a training script does with `import mlflow`, and what it finds again afterwards."""

import json
import time

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LifecycleStage, RunStatus, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from tests.conformance.refusals import EXISTS, INVALID, param_refused, refused_with


def test_a_run_is_read_back_as_it_was_logged(experiment):
    before_ms = time.time_ns() // 1_000_000
    with mlflow.start_run(run_name="größer", tags={"team": "vision"}, description="A first try.") as active:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"layers": [64, 32], "frozen": None, "empty": ""})
        mlflow.log_metric("loss", 0.1 + 0.2, step=3)
        mlflow.log_metrics({"acc": 1, "f1/macro": 0.5}, step=4)
        mlflow.set_tag("stage", 5)
        mlflow.set_tags({"a b": "c", "d": True})
    run = mlflow.get_run(active.info.run_id)

    assert run.info.experiment_id == experiment
    assert run.info.run_name == "größer"
    assert run.info.status == RunStatus.to_string(RunStatus.FINISHED)
    assert run.info.lifecycle_stage == LifecycleStage.ACTIVE
    assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run.info.run_id}/artifacts"
    assert before_ms <= run.info.start_time <= run.info.end_time <= time.time_ns() // 1_000_000
    assert run.data.params == {"lr": "0.1", "layers": "[64, 32]", "frozen": "None", "empty": ""}
    assert run.data.metrics == {"loss": 0.1 + 0.2, "acc": 1.0, "f1/macro": 0.5}
    own_tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    assert own_tags == {"team": "vision", "stage": "5", "a b": "c", "d": "True"}
    assert run.data.tags["mlflow.runName"] == "größer"
    assert run.data.tags[MLFLOW_RUN_NOTE] == "A first try."


def test_a_run_that_raises_has_failed(experiment):
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as active:
        mlflow.log_metric("loss", 1 / 0)
    assert mlflow.get_run(active.info.run_id).info.status == "FAILED"
    assert mlflow.last_active_run().info.run_id == active.info.run_id


def test_a_run_without_a_name_gets_one(experiment):
    with mlflow.start_run() as active:
        pass
    run = mlflow.get_run(active.info.run_id)
    assert run.info.run_name == run.data.tags["mlflow.runName"] != ""


def test_a_run_is_taken_up_again(experiment):
    with mlflow.start_run() as first:
        mlflow.log_metric("loss", 2.0, step=1)
    with mlflow.start_run(run_id=first.info.run_id):
        assert mlflow.get_run(first.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("loss", 1.0, step=2)
    run = mlflow.get_run(first.info.run_id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})


def test_children_know_their_parent_and_are_found_by_it(experiment):
    with mlflow.start_run(run_name="sweep") as parent:
        for depth in range(3):
            with mlflow.start_run(run_name=f"depth {depth}", nested=True) as child:
                mlflow.log_metric("acc", depth / 10)
                with mlflow.start_run(nested=True) as grandchild:
                    pass
    assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    assert mlflow.get_parent_run(grandchild.info.run_id).info.run_id == child.info.run_id
    assert mlflow.get_parent_run(parent.info.run_id) is None
    children = mlflow.search_runs(
        filter_string=f"tags.{MLFLOW_PARENT_RUN_ID} = '{parent.info.run_id}' AND metrics.acc > 0",
        order_by=["metrics.acc DESC"],
        output_format="list",
    )
    assert [child.info.run_name for child in children] == ["depth 2", "depth 1"]


def test_a_nested_run_must_say_so(experiment):
    with mlflow.start_run(), pytest.raises(Exception, match="already active"):
        mlflow.start_run()


def test_an_experiment_is_made_once_and_found_by_name(tracking, new_name):
    name = new_name()
    made = mlflow.set_experiment(name)
    assert mlflow.set_experiment(name).experiment_id == made.experiment_id
    assert mlflow.get_experiment_by_name(name).experiment_id == made.experiment_id
    assert mlflow.get_experiment_by_name(new_name()) is None
    with refused_with(EXISTS):
        mlflow.create_experiment(name)


def test_an_experiment_has_what_it_was_given(tracking, new_name):
    name = new_name()
    number = mlflow.create_experiment(name, tags={"team": "vision", "x": ""})
    mlflow.set_experiment(experiment_id=number)
    mlflow.set_experiment_tag("owner", "ada")
    mlflow.set_experiment_tags({"x": "y", "release": 7})
    found = mlflow.get_experiment(number)
    assert (found.name, found.lifecycle_stage) == (name, "active")
    assert found.artifact_location == f"mlflow-artifacts:/{number}"
    assert found.tags == {"team": "vision", "owner": "ada", "x": "y", "release": "7"}
    assert found.creation_time <= found.last_update_time


def test_the_default_experiment_is_there(tracking):
    default = mlflow.get_experiment("0")
    assert (default.name, default.artifact_location) == ("Default", "mlflow-artifacts:/0")


def test_a_deleted_experiment_is_no_place_to_log(experiment):
    name = mlflow.get_experiment(experiment).name
    mlflow.delete_experiment(experiment)
    with pytest.raises(MlflowException, match="deleted experiment"):
        mlflow.set_experiment(name)
    assert [
        e.name for e in mlflow.search_experiments(ViewType.DELETED_ONLY, filter_string=f"name = '{name}'")
    ]


def test_tags_are_overwritten_and_deleted(experiment):
    with mlflow.start_run() as active:
        mlflow.set_tag("a", 1)
        mlflow.set_tag("a", 2)
        mlflow.set_tag("b", 3)
        mlflow.delete_tag("b")
    tags = mlflow.get_run(active.info.run_id).data.tags
    assert tags["a"] == "2"
    assert "b" not in tags


def test_a_param_is_written_once(experiment):
    with mlflow.start_run():
        mlflow.log_param("lr", 1)
        mlflow.log_param("lr", 1)
        with param_refused("Changing param values is not allowed"):
            mlflow.log_param("lr", 2)
        with refused_with(INVALID, "Changing param values is not allowed"):
            mlflow.log_params({"lr": 2, "new": 3})
        assert mlflow.get_run(mlflow.active_run().info.run_id).data.params == {"lr": "1"}


def test_a_run_keeps_the_datasets_it_used(experiment):
    train = mlflow.data.from_pandas(pd.DataFrame({"x": [1.0, 2.0]}), name="train", source="/data/train.csv")
    other = mlflow.data.from_pandas(pd.DataFrame({"x": [3.0]}), name="eval")
    with mlflow.start_run() as active:
        mlflow.log_input(train, context="training", tags={"split": "80"})
        mlflow.log_input(train, context="training")
        mlflow.log_inputs([other], contexts=["eval"], tags_list=[{}])
    inputs = {entry.dataset.name: entry for entry in mlflow.get_run(active.info.run_id).inputs.dataset_inputs}
    assert set(inputs) == {"train", "eval"}
    assert inputs["train"].dataset.digest == train.digest
    assert json.loads(inputs["train"].dataset.schema) == {
        "mlflow_colspec": [{"type": "double", "name": "x", "required": True}]
    }
    assert json.loads(inputs["train"].dataset.profile) == {"num_rows": 2, "num_elements": 2}
    assert {tag.key: tag.value for tag in inputs["train"].tags} == {
        "mlflow.data.context": "training",
        "split": "80",
    }
    found = mlflow.search_runs(filter_string="dataset.name = 'eval'", output_format="list")
    assert [run.info.run_id for run in found] == [active.info.run_id]


def test_a_run_is_deleted_and_restored(experiment):
    with mlflow.start_run() as active:
        mlflow.log_metric("loss", 1)
    mlflow.delete_run(active.info.run_id)
    assert mlflow.search_runs(output_format="list") == []
    assert mlflow.get_run(active.info.run_id).info.lifecycle_stage == "deleted"
    mlflow.restore_run(active.info.run_id)
    assert [run.data.metrics for run in mlflow.search_runs(output_format="list")] == [{"loss": 1.0}]
