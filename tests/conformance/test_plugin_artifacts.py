"""Files of MLflow's client with the plugin: all that its own way does, straight to the store and back."""

import os
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from sklearn.linear_model import LogisticRegression

from tests.conformance.test_mlflow_artifacts import *  # noqa: F403 - the same, by the other way
from tests.conformance.test_mlflow_artifacts import contents, tree
from tests.support.plugin import files_seen, plugged_in
from tracklog.artifact_api import ArtifactApi, NoEndpoint
from tracklog.mlflow_plugin import build_artifact_repository
from tracklog.mlflow_plugin.artifacts import TracklogArtifactsRepository


@pytest.fixture(autouse=True)
def plugged(tracking_server, spool, monkeypatch):
    monkeypatch.setenv("TRACKLOG_MLFLOW_PLUGIN", "1")
    with plugged_in(tracking_server.url):
        yield


@pytest.fixture(autouse=True)
def seen():
    """The requests for files that were made MLflow's own way: none, but for deletions."""
    with files_seen() as seen:
        yield seen
        assert [request for request in seen if not request.startswith("DELETE ")] == []


def test_a_file_is_there_when_the_call_returns_and_large_ones_come_back_whole(client, run, tmp_path, api):
    data = os.urandom(17 * 2**20 + 3)
    (tmp_path / "large").write_bytes(data)
    mlflow.log_artifact(str(tmp_path / "large"), "d")
    asked = api.get("artifacts/list", {"run_id": run.info.run_id, "path": "d"})
    assert [(file["path"], int(file["file_size"])) for file in asked["files"]] == [("d/large", len(data))]
    assert isinstance(get_artifact_repository(mlflow.get_artifact_uri()), TracklogArtifactsRepository)
    assert contents(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/d"))["large"] == data


def test_a_model_is_logged_and_loaded(client, run, usual_requirements):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    logged = mlflow.sklearn.log_model(model, name="m")
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    assert loaded.predict([[0.0], [1.0]]).tolist() == [0, 1]
    files = client.list_logged_model_artifacts(logged.model_id)
    assert "MLmodel" in {file.path for file in files}


def test_what_the_server_refuses_raises_mlflow_s_exception(client, run, tmp_path):
    (tmp_path / "a#b").write_bytes(b"x")
    with pytest.raises(MlflowException) as refused:
        mlflow.log_artifact(str(tmp_path / "a#b"))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    (tmp_path / "good").write_bytes(b"x")
    with pytest.raises(MlflowException, match="Invalid"):
        mlflow.log_artifacts(str(tmp_path))
    assert tree(client, run.info.run_id) == {"good": 1}
    with pytest.raises(MlflowException, match="Invalid artifact path"):
        mlflow.log_artifact(str(tmp_path / "good"), "../up")
    with pytest.raises(FileNotFoundError):
        mlflow.log_artifact(str(tmp_path / "nothing"))


def test_a_server_of_an_older_tracklog_is_used_as_mlflow_does(run, tmp_path, monkeypatch, seen):
    def missing(self, name, owner, fields):
        raise NoEndpoint("no such endpoint")

    monkeypatch.setattr(ArtifactApi, "_ask", missing)
    started = time.monotonic()
    mlflow.log_text("x", "a.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt") == "x"
    assert time.monotonic() - started < 5
    assert {request.partition(" ")[0] for request in seen} >= {"PUT", "GET"}
    seen.clear()


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/1/traces/tr-00000000000000000000000000000000/artifacts",
        "mlflow-artifacts:/somewhere/00000000000000000000000000000000/artifacts",
        "mlflow-artifacts:/1/00000000000000000000000000000000/artifacts/%2e%2e",
    ],
)
def test_other_places_are_left_to_mlflow(tracking, uri):
    assert get_artifact_repository(uri)._lane is None


def test_turned_off_or_with_another_mlflow_nothing_is_changed(tracking, monkeypatch):
    uri = "mlflow-artifacts:/1/00000000000000000000000000000000/artifacts"
    assert type(build_artifact_repository(uri)) is TracklogArtifactsRepository

    def log_artifact(self, local_file, artifact_path=None, something_new=None):
        """A later MLflow's."""

    with monkeypatch.context() as patch:
        patch.setattr(MlflowArtifactsRepository, "log_artifact", log_artifact)
        assert type(build_artifact_repository(uri)) is MlflowArtifactsRepository
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tracklog.mlflow_plugin.artifacts", None)
        assert type(build_artifact_repository(uri)) is MlflowArtifactsRepository
    monkeypatch.setenv("TRACKLOG_MLFLOW_PLUGIN", "0")
    assert type(build_artifact_repository(uri)) is MlflowArtifactsRepository


def test_a_tree_by_many_requests_at_once_is_as_it_was(client, run, tmp_path):
    files = {f"d{n % 7}/f{n}": os.urandom(100 + n) for n in range(300)}
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    mlflow.log_artifacts(str(tmp_path / "in"))
    down = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert {name: (down / name).read_bytes() for name in files} == files
