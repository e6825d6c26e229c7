"""The client library's files on a running server, seen by MLflow's own client too."""

import os
from pathlib import Path

import mlflow
import pytest

import tracklog
from tests.conformance.test_mlflow_artifacts import contents, tree
from tests.support.spools import sync, wait_until

TIMEOUT_S = 30.0

pytestmark = pytest.mark.usefixtures("spool")

FILES = {
    "model.bin": os.urandom(17 * 2**20 + 7),
    "middle": os.urandom(2**20),
    "empty": b"",
    "sub/deep/er/a b+c, 100%.txt": "größer".encode(),
    "sub/ünïcode 损失.json": b"{}",
    ".hidden": b"\0\r\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with FILES."""
    for name, data in FILES.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "in"


def test_a_tree_comes_back_as_it_was_by_every_client(tracking_server, client, new_name, folder, tmp_path):
    with tracklog.init(tracking_server.url, experiment=new_name()) as run:
        run.log_artifacts(folder, "tree", copy=False)
        run.log_artifact(folder / "middle")
        run.log_file(b"by bytes", "bytes.txt")
        assert [(a.path, a.is_dir, a.size) for a in run.artifacts()] == [
            ("bytes.txt", False, 8),
            ("middle", False, 2**20),
            ("tree", True, None),
        ]
    assert {a.path: a.size for a in run.artifacts("tree", recursive=True)} == {
        f"tree/{name}": len(data) for name, data in FILES.items()
    }
    assert contents(run.download("tree", to=tmp_path / "ours")) == FILES
    assert tree(client, run.id, "tree") == {f"tree/{name}": len(data) for name, data in FILES.items()}
    theirs = mlflow.artifacts.download_artifacts(run_id=run.id, artifact_path="tree")
    assert contents(theirs) == FILES


def test_a_file_is_replaced_by_its_last_version(tracking_server, client, new_name):
    run = tracklog.init(tracking_server.url, experiment=new_name())
    for data in (b"long " * 1000, os.urandom(17 * 2**20), b"short", b""):
        run.log_file(data, "weights")
        assert run.flush(TIMEOUT_S)
        assert tree(client, run.id) == {"weights": len(data)}
    run.finish()


def test_what_is_refused_is_told_and_an_offline_run_brings_its_files(
    tracking_server, client, new_name, spool, caplog
):
    run = tracklog.init(tracking_server.url, experiment=new_name())
    run.log_file(b"x", "a%2fb")
    run.log_file(b"x", "good")
    assert run.flush(TIMEOUT_S)
    wait_until(lambda: "file 'a%2fb'" in caplog.text)
    assert tree(client, run.id) == {"good": 1}
    client.delete_run(run.id)
    run.log_file(b"x", "too late")
    run.finish()
    assert run.flush(TIMEOUT_S)
    wait_until(lambda: "file 'too late'" in caplog.text)
    with tracklog.init(mode="offline", experiment=new_name()) as offline:
        offline.log_file(b"y" * 2**20, "d/large")
    code, out = sync("--url", tracking_server.url)
    assert "1 files" in out
    assert code == 0
    assert tree(client, offline.id) == {"d/large": 2**20}
    with pytest.raises(tracklog.Rejected):
        tracklog.resume("f" * 32, tracking_server.url).download("a")
