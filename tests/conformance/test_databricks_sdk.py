"""Every method about experiments of Databricks' own SDK works, for those who may, and refuses the others."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service import ml

from tests.support.databricks import PEOPLE
from tracklog_contract.caller import Level

# Of Databricks' lists of problems with traces, as of MLflow's own, there is nothing here.
NOT_HERE = {"create_issue", "get_issue", "search_issues", "update_issue"}
LEVELS = {"root": Level.MANAGE, "editor": Level.EDIT, "reader": Level.READ, "stranger": Level.NONE}
EDITOR = ml.ExperimentAccessControlRequest(
    user_name="editor", permission_level=ml.ExperimentPermissionLevel.CAN_EDIT
)


@dataclass
class World:
    """An experiment of root's with a run and a model, and the SDK's API as somebody."""

    api: ml.ExperimentsAPI
    experiment_id: str
    name: str
    run_id: str
    model_id: str
    tags: dict[str, str] = field(default_factory=dict)

    def run(self) -> ml.Run:
        """The run as it is now."""
        run = self.api.get_run(self.run_id).run
        assert run is not None
        return run


def _point(key: str, value: float, step: int) -> ml.Metric:
    return ml.Metric(key=key, value=value, step=step, timestamp=step + 1)


def _dataset() -> ml.DatasetInput:
    return ml.DatasetInput(dataset=ml.Dataset(name="d", digest="1", source_type="local", source="{}"))


def _model_json(w: World) -> str:
    return json.dumps({"run_id": w.run_id, "artifact_path": "m", "utc_time_created": "x", "flavors": {}})


def _listed(found: Iterator[Any], w: World) -> bool:
    return w.experiment_id in {one.experiment_id for one in found}


# In this order: each with the level that it needs, the call, and what is so after it, given its answer.
CALLS = {
    "set_experiment_tag": (
        Level.EDIT,
        lambda w: w.api.set_experiment_tag(w.experiment_id, "k", "v"),
        lambda w, _: "k" in {tag.key for tag in w.api.get_experiment(w.experiment_id).experiment.tags},
    ),
    "update_experiment": (
        Level.EDIT,
        lambda w: w.api.update_experiment(w.experiment_id, new_name=f"{w.name} 2"),
        lambda w, _: w.api.get_by_name(f"{w.name} 2").experiment.experiment_id == w.experiment_id,
    ),
    "get_experiment": (
        Level.READ,
        lambda w: w.api.get_experiment(w.experiment_id),
        lambda w, found: found.experiment.name.startswith(w.name),
    ),
    "get_by_name": (
        Level.READ,
        lambda w: w.api.get_by_name(w.api.get_experiment(w.experiment_id).experiment.name),
        lambda w, found: found.experiment.experiment_id == w.experiment_id,
    ),
    "create_run": (
        Level.EDIT,
        lambda w: w.api.create_run(experiment_id=w.experiment_id, run_name="new", start_time=5),
        lambda _, made: (made.run.info.run_name, made.run.info.start_time) == ("new", 5),
    ),
    "log_metric": (
        Level.EDIT,
        lambda w: w.api.log_metric(key="loss", value=0.5, timestamp=1, step=1, run_id=w.run_id),
        lambda w, _: w.run().data.metrics[0].value == 0.5,
    ),
    "log_param": (
        Level.EDIT,
        lambda w: w.api.log_param("lr", "0.1", run_id=w.run_id),
        lambda w, _: [(p.key, p.value) for p in w.run().data.params] == [("lr", "0.1")],
    ),
    "set_tag": (
        Level.EDIT,
        lambda w: w.api.set_tag("stage", "dev", run_id=w.run_id),
        lambda w, _: ("stage", "dev") in {(t.key, t.value) for t in w.run().data.tags},
    ),
    "delete_tag": (
        Level.EDIT,
        lambda w: w.api.delete_tag(w.run_id, "stage"),
        lambda w, _: "stage" not in {t.key for t in w.run().data.tags or ()},
    ),
    "log_batch": (
        Level.EDIT,
        lambda w: w.api.log_batch(
            run_id=w.run_id, metrics=[_point("loss", 0.25, 2)], params=[ml.Param(key="a", value="b")],
            tags=[ml.RunTag(key="kind", value="batch")],
        ),
        lambda w, _: {p.key for p in w.run().data.params} == {"lr", "a"},
    ),
    "get_history": (
        Level.READ,
        lambda w: list(w.api.get_history("loss", run_id=w.run_id)),
        lambda _, found: [(m.step, m.value) for m in found] in ([], [(1, 0.5), (2, 0.25)]),
    ),
    "log_inputs": (
        Level.EDIT,
        lambda w: w.api.log_inputs(w.run_id, datasets=[_dataset()]),
        lambda w, _: w.run().inputs.dataset_inputs[0].dataset.name == "d",
    ),
    "log_outputs": (
        Level.EDIT,
        lambda w: w.api.log_outputs(w.run_id, models=[ml.ModelOutput(model_id=w.model_id, step=0)]),
        lambda w, _: w.api.get_run(w.run_id) is not None,
    ),
    "log_model": (
        Level.EDIT,
        lambda w: w.api.log_model(model_json=_model_json(w), run_id=w.run_id),
        lambda w, _: "mlflow.log-model.history" in {t.key for t in w.run().data.tags},
    ),
    "get_run": (
        Level.READ,
        lambda w: w.api.get_run(w.run_id),
        lambda w, found: found.run.info.experiment_id == w.experiment_id,
    ),
    "list_artifacts": (
        Level.READ,
        lambda w: list(w.api.list_artifacts(run_id=w.run_id)),
        lambda _, found: found == [],
    ),
    "update_run": (
        Level.EDIT,
        lambda w: w.api.update_run(
            run_id=w.run_id, status=ml.UpdateRunStatus.FINISHED, end_time=9, run_name="done"
        ),
        lambda w, made: (made.run_info.run_name, w.run().info.status.value) == ("done", "FINISHED"),
    ),
    "search_runs": (
        Level.NONE,
        lambda w: list(w.api.search_runs(experiment_ids=[w.experiment_id], max_results=1)),
        lambda w, found: {run.info.experiment_id for run in found} <= {w.experiment_id},
    ),
    "search_experiments": (
        Level.NONE,
        lambda w: list(w.api.search_experiments(filter=f"name LIKE '{w.name}%'", max_results=5)),
        lambda w, found: _listed(found, w) or not found,
    ),
    "list_experiments": (
        Level.NONE,
        lambda w: list(w.api.list_experiments(view_type=ml.ViewType.ALL, max_results=100)),
        lambda _, found: isinstance(found, list),
    ),
    "create_logged_model": (
        Level.EDIT,
        lambda w: w.api.create_logged_model(w.experiment_id, name="other", model_type="m"),
        lambda _, made: made.model.info.name == "other",
    ),
    "log_logged_model_params": (
        Level.EDIT,
        lambda w: w.api.log_logged_model_params(
            w.model_id, params=[ml.LoggedModelParameter(key="a", value="b")]
        ),
        lambda w, _: w.api.get_logged_model(w.model_id).model.data.params[0].value == "b",
    ),
    "set_logged_model_tags": (
        Level.EDIT,
        lambda w: w.api.set_logged_model_tags(w.model_id, tags=[ml.LoggedModelTag(key="t/x", value="v")]),
        lambda w, _: w.api.get_logged_model(w.model_id).model.info.tags[0].key == "t/x",
    ),
    "delete_logged_model_tag": (
        Level.EDIT,
        lambda w: w.api.set_logged_model_tags(w.model_id, tags=[ml.LoggedModelTag(key="gone", value="v")])
        or w.api.delete_logged_model_tag(w.model_id, "gone"),
        lambda w, _: "gone" not in {t.key for t in w.api.get_logged_model(w.model_id).model.info.tags},
    ),
    "finalize_logged_model": (
        Level.EDIT,
        lambda w: w.api.finalize_logged_model(w.model_id, ml.LoggedModelStatus.LOGGED_MODEL_READY),
        lambda _, made: made.model.info.status is ml.LoggedModelStatus.LOGGED_MODEL_READY,
    ),
    "get_logged_model": (
        Level.READ,
        lambda w: w.api.get_logged_model(w.model_id),
        lambda w, found: found.model.info.experiment_id == w.experiment_id,
    ),
    "search_logged_models": (
        Level.NONE,
        lambda w: w.api.search_logged_models(experiment_ids=[w.experiment_id]),
        lambda w, found: {m.info.experiment_id for m in found.models or ()} <= {w.experiment_id},
    ),
    "get_permission_levels": (
        Level.MANAGE,
        lambda w: w.api.get_permission_levels(w.experiment_id),
        lambda _, found: {"CAN_READ", "CAN_EDIT", "CAN_MANAGE"}
        <= {one.permission_level.value for one in found.permission_levels},
    ),
    "get_permissions": (
        Level.MANAGE,
        lambda w: w.api.get_permissions(w.experiment_id),
        lambda w, found: found.object_id == f"/experiments/{w.experiment_id}",
    ),
    "update_permissions": (
        Level.MANAGE,
        lambda w: w.api.update_permissions(w.experiment_id, access_control_list=[EDITOR]),
        lambda _, made: "editor" in {one.user_name for one in made.access_control_list},
    ),
    "set_permissions": (
        Level.MANAGE,
        lambda w: w.api.set_permissions(w.experiment_id, access_control_list=[EDITOR]),
        lambda _, made: "reader" not in {one.user_name for one in made.access_control_list},
    ),
    "delete_logged_model": (
        Level.EDIT,
        lambda w: w.api.delete_logged_model(w.model_id),
        lambda w, _: not any(
            m.info.model_id == w.model_id
            for m in w.api.search_logged_models(experiment_ids=[w.experiment_id]).models or ()
        ),
    ),
    "delete_run": (
        Level.EDIT,
        lambda w: w.api.delete_run(w.run_id),
        lambda w, _: w.run().info.lifecycle_stage == "deleted",
    ),
    "restore_run": (
        Level.EDIT,
        lambda w: w.api.restore_run(w.run_id),
        lambda w, _: w.run().info.lifecycle_stage == "active",
    ),
    "delete_runs": (
        Level.EDIT,
        lambda w: w.api.delete_runs(w.experiment_id, 2**50),
        lambda _, made: made.runs_deleted == 2,
    ),
    "restore_runs": (
        Level.EDIT,
        lambda w: w.api.restore_runs(w.experiment_id, 0),
        lambda _, made: made.runs_restored == 2,
    ),
    "delete_experiment": (
        Level.MANAGE,
        lambda w: w.api.delete_experiment(w.experiment_id),
        lambda w, _: w.api.get_experiment(w.experiment_id).experiment.lifecycle_stage == "deleted",
    ),
    "restore_experiment": (
        Level.MANAGE,
        lambda w: w.api.restore_experiment(w.experiment_id),
        lambda w, _: w.api.get_experiment(w.experiment_id).experiment.lifecycle_stage == "active",
    ),
}  # fmt: skip


def test_no_method_is_left_out():
    methods = {name for name in vars(ml.ExperimentsAPI) if not name.startswith("_")}
    assert methods - NOT_HERE - {"create_experiment"} == CALLS.keys()
    assert methods >= NOT_HERE


@pytest.fixture(params=PEOPLE)
def world(request, access):
    """A world of root's in which the parameter's person may do what LEVELS says."""
    person = request.param
    root, api = (
        WorkspaceClient(host=access.server.url, token=access.tokens[name]).experiments
        for name in ("root", person)
    )
    name = f"/Shared/{secrets.token_hex(8)}"
    experiment_id = root.create_experiment(name, tags=[ml.ExperimentTag(key="t", value="v")]).experiment_id
    run = root.create_run(experiment_id=experiment_id, run_name="r", start_time=1)
    model = root.create_logged_model(experiment_id, name="model")
    if person in ("editor", "reader"):
        access.grant(person, LEVELS[person], experiment_id)
    return person, World(api, experiment_id, name, run.run.info.run_id, model.model.info.model_id)


def test_every_method_as_everybody(world):
    person, w = world
    for name, (level, call, holds) in CALLS.items():
        if LEVELS[person] >= level:
            answer = call(w)
            assert holds(w, answer), (name, answer)
        else:
            with pytest.raises(PermissionDenied):
                call(w)
    if person != "stranger":
        with pytest.raises(NotFound):
            w.api.get_issue(f"experiments/{w.experiment_id}/issues/1")
