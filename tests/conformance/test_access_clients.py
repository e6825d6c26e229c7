"""The clients that manage access: MLflow's for users, roles and workspaces, and Databricks' permissions."""

import secrets
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import RestException
from mlflow.server.auth.client import AuthServiceClient

from tests.support.access import OTHER_WORKSPACE, PASSWORD, basic, make_world, new_world
from tracklog.config import mlflow_plugin_is_on

PERMISSIONS = "/api/2.0/permissions/experiments/"


@pytest.fixture
def sign_in(access, monkeypatch):
    """Makes MLflow's clients call as somebody, by name and password."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def sign_in(name, password=PASSWORD):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    sign_in("root")
    return sign_in


@pytest.fixture
def auth_client(access, sign_in):
    return AuthServiceClient(access.server.url)


@pytest.fixture
def new_user(auth_client):
    """Makes users with PASSWORD."""

    def new_user():
        return auth_client.create_user(f"user {secrets.token_hex(6)}", PASSWORD)

    return new_user


def test_users_as_mlflows_client_manages_them(access, sign_in, auth_client, new_user):
    user = new_user()
    again = auth_client.get_user(user.username)
    assert (again.id, again.username, again.is_admin) == (user.id, user.username, False)
    with pytest.raises(RestException, match="RESOURCE_ALREADY_EXISTS"):
        auth_client.create_user(user.username, PASSWORD)
    with pytest.raises(RestException, match="INVALID_PARAMETER_VALUE"):
        auth_client.create_user("another", "short")
    sign_in(user.username)
    assert auth_client.get_user(user.username).id == user.id
    for forbidden in (
        lambda: auth_client.get_user("root"),
        lambda: auth_client.create_user("another", PASSWORD),
        lambda: auth_client.update_user_admin(user.username, True),
        lambda: auth_client.update_user_password("root", "a new long password"),
        lambda: auth_client.delete_user("root"),
    ):
        with pytest.raises(RestException, match="PERMISSION_DENIED"):
            forbidden()
    with pytest.raises(RestException, match="Current password is required"):
        auth_client.update_user_password(user.username, "a new long password")
    with pytest.raises(RestException, match="does not match"):
        auth_client.update_user_password(user.username, "a new long password", "a wrong one")
    auth_client.update_user_password(user.username, "a new long password", PASSWORD)
    with pytest.raises(RestException, match=r"UNAUTHENTICATED|user name or password"):
        auth_client.get_user(user.username)
    sign_in(user.username, "a new long password")
    auth_client.get_user(user.username)
    sign_in("root")
    auth_client.update_user_admin(user.username, True)
    assert auth_client.get_user(user.username).is_admin
    with pytest.raises(RestException, match="cannot delete their own account"):
        auth_client.delete_user("root")
    auth_client.delete_user(user.username)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth_client.get_user(user.username)


def test_permissions_as_mlflows_client_grants_them(access, access_api, sign_in, auth_client, new_user):
    user, experiment = new_user(), make_world(access_api, access.headers("root")).experiment_id
    subject = (user.username, "experiment", experiment)
    assert auth_client.get_user_permission(*subject).permission == "NO_PERMISSIONS"
    auth_client.grant_user_permission(*subject, "EDIT")
    allowed = auth_client.get_user_permission(*subject)
    assert (allowed.allowed, allowed.permission) == (True, "EDIT")
    with pytest.raises(RestException, match="already exists"):
        auth_client.grant_user_permission(*subject, "READ")
    sign_in(user.username)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        auth_client.grant_user_permission("stranger", "experiment", experiment, "READ")
    sign_in("root")
    auth_client.revoke_user_permission(*subject)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth_client.revoke_user_permission(*subject)
    for kind, pattern, permission in (
        ("registered_model", "m", "READ"),
        ("workspace", "*", "USE"),
        ("experiment", experiment, "NO_PERMISSIONS"),
        ("experiment", "x", "READ"),
    ):
        with pytest.raises(RestException, match="INVALID_PARAMETER_VALUE"):
            auth_client.grant_user_permission(user.username, kind, pattern, permission)


def test_roles_as_mlflows_client_manages_them(access, access_api, sign_in, auth_client, new_user):
    world, user = make_world(access_api, access.headers("root")), new_user()
    role = auth_client.create_role("default", f"role {secrets.token_hex(6)}", "reads one thing")
    granted = auth_client.add_role_permission(role.id, "experiment", world.experiment_id, "READ")
    with pytest.raises(RestException, match="RESOURCE_ALREADY_EXISTS"):
        auth_client.add_role_permission(role.id, "experiment", world.experiment_id, "EDIT")
    assignment = auth_client.assign_role(user.username, role.id)
    assert (assignment.user_id, assignment.role_id) == (user.id, role.id)
    assert [a.user_id for a in auth_client.list_role_users(role.id)] == [user.id]
    assert [r.id for r in auth_client.list_user_roles(user.username)] == [role.id]
    assert role.id in {r.id for r in auth_client.list_roles("default")}
    assert role.id in {r.id for r in auth_client.list_all_roles()}

    def status(run_id=world.run_id):
        return access_api.call("GET", "runs/get", {"run_id": run_id}, basic(user.username, PASSWORD)).status

    assert status() == 200
    auth_client.update_role_permission(granted.id, "DENY")
    assert auth_client.list_role_permissions(role.id)[0].permission == "DENY"
    auth_client.remove_role_permission(granted.id)
    assert auth_client.get_role(role.id).permissions == []
    auth_client.add_role_permission(role.id, "workspace", "*", "MANAGE")
    assert auth_client.update_role(role.id, description="manages all").description == "manages all"
    # Who manages a workspace manages its roles, but not the server.
    sign_in(user.username)
    other = auth_client.create_role("default", f"other {secrets.token_hex(6)}")
    auth_client.delete_role(other.id)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth_client.create_role(OTHER_WORKSPACE, "mine")
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth_client.assign_role("outsider", role.id)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        auth_client.create_user("another", PASSWORD)
    sign_in("root")
    auth_client.unassign_role(user.username, role.id)
    assert auth_client.list_user_roles(user.username) == []
    auth_client.delete_role(role.id)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth_client.get_role(role.id)


def test_permissions_as_databricks_has_them(access, access_api):
    world = make_world(access_api, access.headers("root"))
    path = PERMISSIONS + world.experiment_id

    def call(method, name, entries=None):
        fields = None if entries is None else {"access_control_list": entries}
        return access_api.call(method, path, fields, access.headers(name))

    def held(answer):
        return {
            (entry.get("user_name") or entry.get("group_name") or entry.get("service_principal_name")): [
                (p["permission_level"], p["inherited"]) for p in entry["all_permissions"]
            ]
            for entry in answer.json["access_control_list"]
        }

    first = call("GET", "root").json
    assert (first["object_id"], first["object_type"]) == (
        f"/experiments/{world.experiment_id}",
        "mlflowExperiment",
    )
    assert held(call("GET", "root")) == {"root": [("CAN_MANAGE", False)], "admins": [("CAN_MANAGE", True)]}
    patched = call("PATCH", "root", [{"user_name": "reader", "permission_level": "CAN_MANAGE"}])
    assert held(patched)["reader"] == [("CAN_MANAGE", False)]
    replaced = call("PUT", "reader", [
        {"user_name": "editor", "permission_level": "CAN_EDIT"},
        {"user_name": "reader", "permission_level": "CAN_READ"},
    ])  # fmt: skip
    assert held(replaced) == {
        "editor": [("CAN_EDIT", False)], "reader": [("CAN_READ", False)], "admins": [("CAN_MANAGE", True)]
    }  # fmt: skip
    assert call("PATCH", "reader", [{"user_name": "reader", "permission_level": "CAN_MANAGE"}]).status == 403
    levels = access_api.call("GET", f"{path}/permissionLevels", None, access.headers("root")).json
    assert [level["permission_level"] for level in levels["permission_levels"]] == [
        "CAN_READ", "CAN_EDIT", "CAN_MANAGE",
    ]  # fmt: skip
    before = access.position()
    for entries, status in (
        ([{"user_name": "nobody such", "permission_level": "CAN_READ"}], 404),
        ([{"group_name": "nobody such", "permission_level": "CAN_READ"}], 404),
        ([{"user_name": "reader", "permission_level": "CAN_FLY"}], 400),
        ([{"user_name": "reader", "group_name": "g", "permission_level": "CAN_READ"}], 400),
        ([{"user_name": "reader", "permission_level": "CAN_READ"}] * 2, 400),
        ([{"user_name": "reader"}], 400),
        ("text", 400),
    ):
        assert call("PUT", "root", entries).status == status, entries
    assert access.position() == before


def test_workspaces_as_mlflows_client_manages_them(access, sign_in, monkeypatch):
    if mlflow_plugin_is_on():
        pytest.skip("the plugin has no workspaces")
    tracking_uri, name = mlflow.get_tracking_uri(), f"w-{secrets.token_hex(6)}"
    mlflow.set_tracking_uri(access.server.url)
    try:
        made = mlflow.create_workspace(name, description="a lab")
        assert (made.name, made.description) == (name, "a lab")
        with pytest.raises(Exception, match="already exists"):
            mlflow.create_workspace(name)
        assert {w.name for w in mlflow.list_workspaces()} >= {"default", OTHER_WORKSPACE, name}
        assert mlflow.update_workspace(name, description="another").description == "another"
        mlflow.set_workspace(name)
        experiment_id = MlflowClient().create_experiment("the same name")
        assert [e.name for e in MlflowClient().search_experiments()] == ["the same name"]
        with pytest.raises(Exception, match="experiments"):
            mlflow.delete_workspace(name)
        mlflow.set_workspace(OTHER_WORKSPACE)
        MlflowClient().create_experiment("the same name")
        with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
            MlflowClient().get_experiment(experiment_id)
        mlflow.set_workspace(None)
        sign_in("outsider")
        assert [w.name for w in mlflow.list_workspaces()] == [OTHER_WORKSPACE]
        with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
            mlflow.get_workspace(name)
        with pytest.raises(RestException, match="PERMISSION_DENIED"):
            mlflow.create_workspace(f"{name}-2")
        assert {e.name for e in MlflowClient().search_experiments()} >= {"the same name"}
    finally:
        mlflow.set_workspace(None)
        mlflow.set_tracking_uri(tracking_uri)


def test_a_server_without_authentication_has_no_workspaces(send):
    status, answer = send("GET", "experiments/search?max_results=1", headers={"X-MLFLOW-WORKSPACE": "lab"})
    assert (status, answer["error_code"]) == (400, "FEATURE_DISABLED")
    status, answer = send("GET", "/api/3.0/mlflow/server-info", headers={"X-MLFLOW-WORKSPACE": "lab"})
    assert (status, answer["workspaces_enabled"]) == (200, False)


@pytest.mark.parametrize("way", ["token", "password"])
def test_unmodified_clients_work_as_far_as_their_users_may(access, access_api, monkeypatch, tmp_path, way):
    if mlflow_plugin_is_on():
        pytest.skip("the plugin sends later, and says so later")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    world = new_world(access, access_api)
    (tmp_path / "file.txt").write_text("content")

    def client(name):
        if way == "token":
            monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", access.tokens[name])
        else:
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        return MlflowClient(access.server.url)

    def names(name):
        return {experiment.name for experiment in client(name).search_experiments()}

    def read(name):
        seen = client(name)
        seen.get_run(world.run_id)
        assert len(seen.get_metric_history(world.run_id, world.secret)) == 1
        assert [file.path for file in seen.list_artifacts(world.run_id)][:1] == [f"{world.secret}.txt"]
        path = seen.download_artifacts(world.run_id, f"{world.secret}.txt", str(tmp_path))
        assert Path(path).read_text() == world.hidden
        assert [run.info.run_id for run in seen.search_runs([world.experiment_id])][-1] == world.run_id

    def write(name):
        seen = client(name)
        run_id = seen.create_run(world.experiment_id).info.run_id
        seen.log_metric(run_id, "m", 1.0)
        seen.log_param(run_id, "p", name)
        seen.log_artifact(run_id, str(tmp_path / "file.txt"))
        seen.set_terminated(run_id)
        seen.delete_run(run_id)

    for name in ("root", "editor"):
        assert world.name in names(name)
        read(name)
        write(name)
    assert world.name in names("reader")
    read("reader")
    with pytest.raises(RestException, match=r"PERMISSION_DENIED.*'Edit'"):
        write("reader")
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        client("reader").log_metric(world.run_id, "m", 1.0)
    with pytest.raises(Exception, match=r"403|Edit"):
        client("reader").log_artifact(world.run_id, str(tmp_path / "file.txt"))
    assert world.name not in names("stranger")
    assert client("stranger").search_runs([world.experiment_id]) == []
    with pytest.raises(RestException, match=r"PERMISSION_DENIED.*'View'"):
        read("stranger")
    assert world.name not in names("outsider")
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        read("outsider")
