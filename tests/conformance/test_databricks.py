"""The server as a Databricks host: MLflow with databricks-sdk, unmodified, as people of every level.

The same is played with MLflow's own client and a user name and password.
"""

import os
import secrets
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import PermissionDenied, Unauthenticated
from databricks.sdk.service.ml import ViewType
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.support.access import bearer
from tests.support.api import Api
from tests.support.databricks import MAY_EDIT, MAY_READ, PEOPLE, refused
from tracklog_contract.caller import Level
from tracklog_ingest.access import principals

# 200,000,000 is what a user might log; so much takes a minute.
LARGE_BYTES = int(os.environ.get("TEST_LARGE_BYTES", "1000000"))
# What MLflow makes of it depends on how it moves files.
FILE_REFUSED = (MlflowException, OSError, PermissionDenied)


def doubled(model_input):
    """What the logged model does."""
    return [2 * number for number in model_input]


@pytest.mark.usefixtures("usual_requirements", "without_plugin")
@pytest.mark.parametrize("way", ["databricks", "basic"])
def test_from_the_experiment_to_its_end_as_everybody(access, as_user, tmp_path, way):
    as_user(way, "root")
    name = f"/Shared/{secrets.token_hex(8)}"
    experiment = mlflow.set_experiment(name)
    for person, level in (("editor", Level.EDIT), ("reader", Level.READ)):
        access.grant(person, level, experiment.experiment_id)
    data = os.urandom(LARGE_BYTES)
    runs = {}
    for person in sorted(MAY_EDIT):
        as_user(way, person)
        mlflow.set_experiment(name)
        with mlflow.start_run(run_name=person) as run:
            runs[person] = run.info.run_id
            mlflow.log_params({"who": person, "lr": 0.1})
            mlflow.log_metric("loss", 0.5, step=1)
            mlflow.log_metrics({"loss": 0.25, "acc": 0.75}, step=2)
            mlflow.set_tag("stage", "test")
            mlflow.log_text("small", "notes/small.txt")
            (tmp_path / "large.bin").write_bytes(data)
            mlflow.log_artifact(str(tmp_path / "large.bin"))
            model = mlflow.pyfunc.log_model(name="model", python_model=doubled, pip_requirements=[])
        uri = run.info.artifact_uri
        assert uri.startswith("dbfs:/databricks/" if way == "databricks" else "mlflow-artifacts:/")
    for person in PEOPLE:
        as_user(way, person)
        client = MlflowClient()
        if person not in MAY_READ:
            refused(lambda client=client: client.get_run(runs["editor"]))
            refused(lambda client=client: client.get_experiment_by_name(name))
            assert client.search_runs([experiment.experiment_id]) == []
            with pytest.raises(FILE_REFUSED, match="does not have permission"):
                mlflow.artifacts.download_artifacts(run_id=runs["editor"], artifact_path="large.bin")
            assert name not in {found.name for found in client.search_experiments(max_results=1000)}
            continue
        found = mlflow.search_runs(
            experiment_names=[name], filter_string="metrics.loss < 0.3 AND params.lr = '0.1'"
        )
        assert set(found["run_id"]) == set(runs.values())
        assert [point.value for point in client.get_metric_history(runs["editor"], "loss")] == [0.5, 0.25]
        listed = [item.path for item in client.list_artifacts(runs["editor"])]
        assert sorted(listed) == ["large.bin", "notes"]
        assert mlflow.artifacts.load_text(f"runs:/{runs['root']}/notes/small.txt") == "small"
        path = mlflow.artifacts.download_artifacts(
            run_id=runs["editor"], artifact_path="large.bin", dst_path=tmp_path / person
        )
        assert Path(path).read_bytes() == data
        assert mlflow.pyfunc.load_model(model.model_uri).predict([1.0, 2.5]) == [2.0, 5.0]
        if person not in MAY_EDIT:
            refused(lambda client=client: client.log_metric(runs["editor"], "loss", 1.0))
            refused(lambda client=client: client.create_run(experiment.experiment_id))
            refused(lambda client=client: client.delete_run(runs["editor"]))
            with pytest.raises(FILE_REFUSED, match="does not have permission"):
                client.log_text(runs["editor"], "more", "more.txt")
    as_user(way, "editor")
    MlflowClient().delete_run(runs["root"])
    assert set(mlflow.search_runs(experiment_names=[name])["run_id"]) == {runs["editor"]}
    refused(lambda: mlflow.delete_experiment(experiment.experiment_id))
    as_user(way, "root")
    mlflow.delete_experiment(experiment.experiment_id)


def test_a_profile_and_a_link_as_the_client_prints_it(access, as_user, monkeypatch, tmp_path, capsys):
    config = tmp_path / "databrickscfg"
    config.write_text(f"[lab]\nhost = {access.server.url}\ntoken = {access.tokens['editor']}\n")
    as_user("databricks", "reader")
    monkeypatch.delenv("DATABRICKS_HOST")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
    mlflow.set_tracking_uri("databricks://lab")
    experiment = mlflow.set_experiment(f"/Users/editor/{secrets.token_hex(8)}")
    capsys.readouterr()
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1.0)
    printed = capsys.readouterr().out
    path = f"experiments/{experiment.experiment_id}/runs/{run.info.run_id}"
    assert f"{access.server.url}/ml/{path}" in printed
    with Api(access.server.url) as api:
        answer = api.call("GET", f"/ml/{path}")
        assert (answer.status, answer.headers["location"]) == (302, f"/#/{path}")
        for wrong in (
            "/ml//elsewhere.example",
            "/ml/experiments/1/%2e%2e%0d%0aX",
            "/ml/https://elsewhere.example",
        ):
            answer = api.call("GET", wrong)
            assert (answer.status, "location" in answer.headers) in {(401, False), (404, False)}


@pytest.fixture
def machine(access):
    """A service principal's name and its secret."""
    name = f"nightly-{secrets.token_hex(4)}"
    access.make_principal(name, service=True)
    return name, access.tokens[name]


def test_a_machine_signs_in_with_id_and_secret_until_that_is_revoked(access, machine, as_user, monkeypatch):
    name, secret = machine
    as_user("databricks", "reader")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", name)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", secret)
    client = WorkspaceClient()
    me = client.current_user.me()
    assert (me.user_name, me.groups) == (name, [])
    assert client.get_workspace_id() > 0
    experiment = mlflow.set_experiment(f"/Users/{name}/{secrets.token_hex(8)}")
    with mlflow.start_run():
        mlflow.log_metric("m", 1.0)
    # For all these calls one token was made, or one in each process.
    of_machine = "select count(*) from tracklog_access.token where token_id like $1"
    assert access.value(of_machine, "_".join(secret.split("_")[:2]) + ".%") <= 2
    token = client.config.oauth_token().access_token
    search = ("POST", "runs/search", {"experiment_ids": [experiment.experiment_id]}, bearer(token))
    with Api(access.server.url) as api:
        assert len(api.call(*search).json["runs"]) == 1

        async def revoke(turn):
            await principals.revoke_token(turn, "_".join(secret.split("_")[:2]))

        access.change(revoke)
        deadline = time.monotonic() + 1
        while api.call(*search).status != 401:
            assert time.monotonic() < deadline
        asked = {"Content-Type": "application/x-www-form-urlencoded"}
        refusal = api.call("POST", "/oidc/v1/token", b"grant_type=client_credentials", asked)
        assert (refusal.status, refusal.json["error"]) == (401, "invalid_client")
        refusal = api.call(
            "POST", "/oidc/v1/token", b"grant_type=password", {**asked, **access.headers("root")}
        )
        assert (refusal.status, refusal.json["error"]) == (400, "unsupported_grant_type")
        for body in (b"x" * 9000, b"\xff\x00=%%", b""):
            assert api.call("POST", "/oidc/v1/token", body, {**asked, **access.headers("root")}).status == 400
        # What was bought with a secret buys nothing.
        bought = api.call(
            "POST", "/oidc/v1/token", b"grant_type=client_credentials", {**asked, **access.headers("root")}
        )
        again = {**asked, **bearer(bought.json["access_token"])}
        assert api.call("POST", "/oidc/v1/token", b"grant_type=client_credentials", again).status == 401


def test_many_runs_go_and_come_back_by_their_times(access, as_user):
    as_user("databricks", "editor")
    client = MlflowClient()
    experiment_id = client.create_experiment(f"/Users/editor/{secrets.token_hex(8)}")
    ids = [client.create_run(experiment_id, start_time=1000 + n).info.run_id for n in range(7)]
    host = access.server.url
    editor, reader, root = (
        WorkspaceClient(host=host, token=access.tokens[name]) for name in ("editor", "reader", "root")
    )
    access.grant("reader", Level.READ, experiment_id)

    def active():
        return sorted(run.info.start_time - 1000 for run in client.search_runs([experiment_id]))

    assert editor.experiments.delete_runs(experiment_id, 1003).runs_deleted == 4
    assert active() == [4, 5, 6]
    assert editor.experiments.delete_runs(experiment_id, 1003).runs_deleted == 0
    assert editor.experiments.delete_runs(experiment_id, 9999, max_runs=1).runs_deleted == 1
    assert active() == [5, 6]
    with pytest.raises(PermissionDenied):
        reader.experiments.restore_runs(experiment_id, 0)
    assert editor.experiments.restore_runs(experiment_id, int(time.time() * 1000) + 60_000).runs_restored == 0
    assert editor.experiments.restore_runs(experiment_id, 0, max_runs=2).runs_restored == 2
    assert editor.experiments.restore_runs(experiment_id, 0).runs_restored == 3
    assert active() == list(range(7))
    assert len(ids) == 7
    listed = {
        e.experiment_id for e in root.experiments.list_experiments(view_type=ViewType.ALL, max_results=2)
    }
    assert experiment_id in listed
    me = root.current_user.me()
    assert (me.user_name, [group.display for group in me.groups]) == ("root", ["admins"])
    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=host, token="tkl_0_wrong").current_user.me()


def test_a_users_folder_is_theirs(access, as_user):
    as_user("databricks", "editor")
    name = secrets.token_hex(8)
    mine = mlflow.create_experiment(f"/Users/editor/{name}")
    mlflow.create_experiment(f"/Shared/{name}")
    refused(lambda: mlflow.create_experiment(f"/Users/reader/{name}"))
    refused(lambda: MlflowClient().rename_experiment(mine, f"/Users/reader/{name}"))
    MlflowClient().rename_experiment(mine, f"/Users/editor/{name} renamed")
    as_user("databricks", "root")
    mlflow.create_experiment(f"/Users/reader/{name}")


def test_nested_runs_datasets_tables_and_external_models_as_everybody(access, as_user):
    as_user("databricks", "root")
    name = f"/Shared/{secrets.token_hex(8)}"
    experiment = mlflow.set_experiment(name)
    for person, level in (("editor", Level.EDIT), ("reader", Level.READ)):
        access.grant(person, level, experiment.experiment_id)
    as_user("databricks", "editor")
    data = mlflow.data.from_numpy(np.zeros((2, 3)), name="zeros")
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_input(data, context="training")
        mlflow.log_table({"question": ["why", "how"]}, "table.json")
        for number in range(3):
            with mlflow.start_run(nested=True):
                mlflow.log_metric("m", number)
    model = mlflow.create_external_model(name="elsewhere", params={"a": "1"})
    mlflow.log_model_params({"b": "2"}, model_id=model.model_id)
    run_id = parent.info.run_id
    for person in PEOPLE:
        as_user("databricks", person)
        named = {one.name for one in mlflow.search_experiments(filter_string=f"name LIKE '{name}%'")}
        children = mlflow.search_runs(
            [experiment.experiment_id], f"tags.mlflow.parentRunId = '{run_id}' AND metrics.m > 0"
        )
        models = mlflow.search_logged_models([experiment.experiment_id], output_format="list")
        if person not in MAY_READ:
            assert (named, len(children), models) == (set(), 0, [])
            refused(lambda: mlflow.get_logged_model(model.model_id))
            continue
        assert (named, sorted(children["metrics.m"])) == ({name}, [1.0, 2.0])
        assert [one.params for one in models] == [{"a": "1", "b": "2"}]
        (given,) = mlflow.get_run(run_id).inputs.dataset_inputs
        assert (given.dataset.name, given.dataset.digest) == ("zeros", data.digest)
        assert [tag.value for tag in given.tags] == ["training"]
        assert list(mlflow.load_table("table.json", run_ids=[run_id])["question"]) == ["why", "how"]
    as_user("databricks", "reader")
    refused(lambda: MlflowClient().create_run(experiment.experiment_id, tags={"mlflow.parentRunId": run_id}))
    refused(lambda: mlflow.log_model_params({"c": "3"}, model_id=model.model_id))
