"""A run that a notebook starts without an experiment gets one that is called as the notebook."""

import json
import os
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jupyter_client
import pytest

from tests.support.plugin import foreign_server, write_entry_points
from tests.support.source import ROOT
from tracklog.mlflow_plugin import notebook

ANSWER_TIMEOUT_S = 60
CELL = """
import mlflow
mlflow.set_tracking_uri({url!r})
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1.0)
print(run.info.experiment_id)
"""

DEFAULT = """
import mlflow
from mlflow.tracking.fluent import _get_experiment_id
mlflow.set_tracking_uri({url!r})
print(_get_experiment_id())
"""


@pytest.fixture
def kernel_environment(tmp_path: Path, spool: Path) -> dict[str, str]:
    """Of a kernel that finds tracklog as installed, and nothing of the suite's settings."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DATABRICKS_"))
    }
    folders = [str(write_entry_points(tmp_path / "installed")), str(ROOT / "client"), str(ROOT / "contract")]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(folders),
        "HOME": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "TRACKLOG_SPOOL_DIR": str(spool),
        "TRACKLOG_MLFLOW_PLUGIN": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def printed(cells: list[str], environment: dict[str, str], directory: Path) -> list[str]:
    """What cells print in a kernel that is started in a directory."""
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment, cwd=str(directory))
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=ANSWER_TIMEOUT_S)
        return [_printed(client, cell) for cell in cells]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _printed(client: Any, cell: str) -> str:
    text: list[str] = []

    def hear(message: Any) -> None:
        assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            text.append(message["content"]["text"])

    client.execute_interactive(cell, timeout=ANSWER_TIMEOUT_S, output_hook=hear)
    return "".join(text).split()[-1]


def test_a_kernels_runs_are_in_the_notebooks_experiment(tracking_server, api, kernel_environment, tmp_path):
    name = f"train {uuid.uuid4().hex}"
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {**kernel_environment, "JPY_SESSION_NAME": f"work/{name}.ipynb"}
    with foreign_server(tracking_server.url) as (other, _):
        ours, again, elsewhere, chosen = printed(
            [
                CELL.format(url=tracking_server.url),
                CELL.format(url=tracking_server.url),
                DEFAULT.format(url=other),
                f"mlflow.set_tracking_uri({tracking_server.url!r}); mlflow.set_experiment('chosen {name}')"
                + CELL.format(url=tracking_server.url),
            ],
            environment,
            folder,
        )
    found = api.get("experiments/get-by-name", {"experiment_name": f"work/{name}"})["experiment"]
    assert [ours, again] == [found["experiment_id"]] * 2
    assert elsewhere == "0"
    assert (
        chosen
        == api.get("experiments/get-by-name", {"experiment_name": f"chosen {name}"})["experiment"][
            "experiment_id"
        ]
    )
    assert len(api.post("runs/search", {"experiment_ids": [ours]})["runs"]) == 2


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A runtime directory with a Jupyter server in it, and the id of a kernel that runs work/churn.ipynb."""
    kernel_id = str(uuid.uuid4())

    class Sessions(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            signed = self.headers["Authorization"] == "token secret"
            sessions = [
                {"path": "other.ipynb", "kernel": {"id": "another"}},
                {"path": "work/churn.ipynb", "kernel": {"id": kernel_id}},
            ]
            self.send_response(200 if signed and self.path == "/base/api/sessions" else 403)
            self.end_headers()
            self.wfile.write(json.dumps(sessions if signed else {}).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sessions)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}/base/"
    (tmp_path / "jpserver-1.json").write_text(json.dumps({"url": url, "token": "secret"}))
    (tmp_path / "jpserver-2.json").write_text("{not json")
    (tmp_path / "jpserver-3.json").write_text(json.dumps({"url": "http://127.0.0.1:9/", "token": ""}))
    yield tmp_path, kernel_id
    server.shutdown()
    server.server_close()
    serving.join()


def test_the_server_that_started_a_kernel_tells_its_notebook(jupyter, monkeypatch, tmp_path):
    runtime, kernel_id = jupyter
    connection = SimpleNamespace(get_connection_file=lambda: str(runtime / f"kernel-{kernel_id}.json"))
    monkeypatch.setitem(notebook.sys.modules, "ipykernel.connect", connection)
    monkeypatch.chdir(tmp_path)
    shell = SimpleNamespace(user_ns={})
    assert notebook.notebook_path(shell, "") == tmp_path / "churn.ipynb"
    connection.get_connection_file = lambda: str(runtime / "kernel-unknown.json")
    assert notebook.notebook_path(shell, "") is None
    assert notebook.notebook_path(shell, "console 1") is None
    (file := tmp_path / "by code.ipynb").touch()
    shell.user_ns["__vsc_ipynb_file__"] = str(file)
    assert notebook.notebook_path(shell, "x.ipynb") == file
    monkeypatch.setenv("HOME", str(tmp_path))
    assert notebook.name_of(file) == "by code"
    assert notebook.name_of(Path("/elsewhere/a.ipynb")) == "/elsewhere/a"


def test_no_notebook_changes_nothing():
    assert not notebook.NotebookExperiment().in_context()
