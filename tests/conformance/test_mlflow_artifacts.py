"""Files, folders and tables logged with a run, by MLflow's client through the artifact proxy."""

import hashlib
import json
import os
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException


@pytest.fixture
def run(experiment):
    with mlflow.start_run() as active:
        yield active


def tree(client, run_id, path=None):
    """Every file below a folder of a run, with its size."""
    found = {}
    for entry in client.list_artifacts(run_id, path):
        found |= tree(client, run_id, entry.path) if entry.is_dir else {entry.path: entry.file_size}
    return found


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_a_folder_comes_back_as_it_was(client, run, tmp_path):
    files = {
        "model.bin": os.urandom(3 * 2**20 + 7),
        "empty": b"",
        "sub/deep/er/a b+c, 100%.txt": "größer".encode(),
        "sub/ünïcode 损失.json": b"{}",
        ".hidden": b"\0\r\n",
    }
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    mlflow.log_artifacts(str(tmp_path / "in"), "folder")
    run_id = run.info.run_id
    assert tree(client, run_id) == {f"folder/{name}": len(data) for name, data in files.items()}
    down = client.download_artifacts(run_id, "folder", str(tmp_path))
    assert contents(down) == files
    everything = mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(tmp_path / "all"))
    assert contents(everything) == {f"folder/{name}": data for name, data in files.items()}


def test_folders_and_files_are_told_apart(client, run):
    mlflow.log_text("x", "dir/file.txt")
    mlflow.log_text("four", "top.txt")
    run_id = run.info.run_id
    top = [(entry.path, entry.is_dir, entry.file_size) for entry in client.list_artifacts(run_id)]
    assert top == [("dir", True, None), ("top.txt", False, 4)]
    assert [entry.path for entry in client.list_artifacts(run_id, "dir")] == ["dir/file.txt"]
    assert client.list_artifacts(run_id, "top.txt") == []
    assert client.list_artifacts(run_id, "nothing/here") == []


def test_a_file_is_replaced_whole(client, run, tmp_path):
    path = tmp_path / "weights.bin"
    for data in (b"long " * 1000, b"short", b""):
        path.write_bytes(data)
        mlflow.log_artifact(str(path))
        assert tree(client, run.info.run_id) == {"weights.bin": len(data)}
        down = client.download_artifacts(run.info.run_id, "weights.bin", str(tmp_path / "down"))
        assert Path(down).read_bytes() == data


def test_texts_dictionaries_and_tables(run):
    mlflow.log_text("größer\n", "notes/a.txt")
    mlflow.log_dict({"lr": 0.1, "layers": [1, 2]}, "config.json")
    mlflow.log_dict({"lr": 0.1}, "config.yaml")
    mlflow.log_table({"prompt": ["a", "b"], "score": [1, 2]}, "table.json")
    mlflow.log_table(pd.DataFrame({"prompt": ["c"], "score": [3]}), "table.json")
    root = mlflow.get_artifact_uri()
    assert root == f"mlflow-artifacts:/{run.info.experiment_id}/{run.info.run_id}/artifacts"
    assert mlflow.artifacts.load_text(f"{root}/notes/a.txt") == "größer\n"
    assert mlflow.artifacts.load_dict(f"{root}/config.json") == {"lr": 0.1, "layers": [1, 2]}
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json") == {"lr": 0.1, "layers": [1, 2]}
    assert "lr: 0.1" in mlflow.artifacts.load_text(f"{root}/config.yaml")
    table = mlflow.load_table("table.json", run_ids=[run.info.run_id])
    assert table[["prompt", "score"]].to_numpy().tolist() == [["a", 1], ["b", 2], ["c", 3]]
    logged = json.loads(mlflow.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"])
    assert logged == [{"path": "table.json", "type": "table"}]


def test_a_large_file_passes_through_unchanged(client, run, tmp_path):
    path = tmp_path / "large.bin"
    block = os.urandom(2**20)
    with path.open("wb") as file:
        for _ in range(48):
            file.write(block)
    mlflow.log_artifact(str(path), "big")
    down = client.download_artifacts(run.info.run_id, "big/large.bin", str(tmp_path / "down"))
    with path.open("rb") as sent, open(down, "rb") as received:
        assert (
            hashlib.file_digest(sent, "sha256").digest() == hashlib.file_digest(received, "sha256").digest()
        )


def test_what_is_not_there_is_not_found(client, run, tmp_path):
    with pytest.raises(MlflowException, match="Failed to download artifacts"):
        client.download_artifacts(run.info.run_id, "nothing.txt", str(tmp_path))
    with pytest.raises(MlflowException) as unknown:
        client.list_artifacts("f" * 32)
    assert unknown.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_deleted_run_s_files_can_still_be_read(client, experiment, tmp_path):
    with mlflow.start_run() as active:
        mlflow.log_text("kept", "a.txt")
    client.delete_run(active.info.run_id)
    assert Path(client.download_artifacts(active.info.run_id, "a.txt", str(tmp_path))).read_text() == "kept"


def test_runs_do_not_see_each_other_s_files(client, experiment):
    runs = []
    for text in ("one", "two"):
        with mlflow.start_run() as active:
            mlflow.log_text(text, "a.txt")
        runs.append(active.info.run_id)
    assert [mlflow.artifacts.load_text(f"runs:/{run_id}/a.txt") for run_id in runs] == ["one", "two"]


def test_files_are_deleted_through_the_repository(client, run):
    mlflow.log_text("x", "dir/a.txt")
    mlflow.log_text("y", "dir/b.txt")
    repository = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(
        mlflow.get_artifact_uri()
    )
    repository.delete_artifacts("dir/a.txt")
    assert tree(client, run.info.run_id) == {"dir/b.txt": 1}
    repository.delete_artifacts("dir")
    assert tree(client, run.info.run_id) == {}
