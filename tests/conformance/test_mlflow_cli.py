"""The `mlflow` command against the server: experiments, runs and artifacts."""

import csv
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow.cli
import pytest
from click.testing import CliRunner

from tests.conformance.refusals import NOT_FOUND
from tests.support.server import clean_environment


@pytest.fixture
def cli(tracking):
    """Runs `mlflow ARGUMENTS` in this process, which starts faster; gives what it printed.

    It fails when the command does, unless it is to be refused with an error code.
    """

    def run(*arguments, refused_with=None):
        done = CliRunner().invoke(mlflow.cli.cli, arguments)
        if refused_with:
            assert done.exception.error_code == refused_with
        else:
            assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    return run


def test_the_installed_command_reads_what_it_wrote(tracking, client, new_name):
    name = new_name()
    environment = {
        **clean_environment(),
        "MLFLOW_TRACKING_URI": tracking,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }

    def said(*arguments):
        command = [str(Path(sys.executable).with_name("mlflow")), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    number = client.create_experiment(name)
    run_id = client.create_run(number).info.run_id
    with ThreadPoolExecutor() as at_once:
        commands = [
            ("experiments", "get", "--experiment-id", number),
            ("runs", "describe", "--run-id", run_id),
            ("artifacts", "log-artifact", "--local-file", __file__, "--run-id", run_id),
        ]
        experiment, run, _ = at_once.map(lambda arguments: said(*arguments), commands)
    assert name in experiment
    assert json.loads(run)["info"]["run_id"] == run_id
    (artifact,) = client.list_artifacts(run_id)
    assert (artifact.path, artifact.file_size) == (Path(__file__).name, Path(__file__).stat().st_size)


def test_experiments(cli, client, new_name):
    name, other = new_name(), new_name()
    said = cli("experiments", "create", "--experiment-name", name)
    number = client.get_experiment_by_name(name).experiment_id
    assert number in said
    assert name in cli("experiments", "get", "--experiment-id", number)
    client.create_run(number, run_name="only")
    rows = list(csv.DictReader(io.StringIO(cli("experiments", "csv", "--experiment-id", number))))
    assert [row["tags.mlflow.runName"] for row in rows] == ["only"]
    cli("experiments", "rename", "--experiment-id", number, "--new-name", other)
    assert other in cli("experiments", "search")
    cli("experiments", "delete", "--experiment-id", number)
    assert other not in cli("experiments", "search")
    assert other in cli("experiments", "search", "--view", "deleted_only")
    cli("experiments", "restore", "--experiment-id", number)
    assert client.get_experiment(number).lifecycle_stage == "active"
    cli("experiments", "restore", "--experiment-id", number, refused_with=NOT_FOUND)


def test_runs(cli, client, experiment, run_id):
    client.log_metric(run_id, "loss", 0.25)
    client.log_param(run_id, "lr", "0.1")
    client.set_tag(run_id, "mlflow.runName", "the one")
    assert run_id in cli("runs", "list", "--experiment-id", experiment)
    described = json.loads(cli("runs", "describe", "--run-id", run_id))
    assert described["info"]["run_id"] == run_id
    assert (described["data"]["metrics"], described["data"]["params"]) == ({"loss": 0.25}, {"lr": "0.1"})
    cli("runs", "delete", "--run-id", run_id)
    assert run_id not in cli("runs", "list", "--experiment-id", experiment)
    assert run_id in cli("runs", "list", "--experiment-id", experiment, "--view", "deleted_only")
    cli("runs", "restore", "--run-id", run_id)
    assert run_id in cli("runs", "list", "--experiment-id", experiment)


def test_artifacts(cli, run_id, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("one")
    (tmp_path / "folder" / "b.txt").write_text("two")
    cli("artifacts", "log-artifact", "--local-file", str(tmp_path / "folder" / "a.txt"), "--run-id", run_id)
    cli(
        "artifacts", "log-artifacts", "--local-dir", str(tmp_path / "folder"), "--run-id", run_id,
        "--artifact-path", "up",
    )  # fmt: skip
    listed = json.loads(cli("artifacts", "list", "--run-id", run_id))
    assert [(entry["path"], entry["is_dir"]) for entry in listed] == [("a.txt", False), ("up", True)]
    inside = json.loads(cli("artifacts", "list", "--run-id", run_id, "--artifact-path", "up"))
    assert [(entry["path"], entry["file_size"]) for entry in inside] == [("up/a.txt", 3), ("up/b.txt", 3)]
    down = tmp_path / "down"
    cli(
        "artifacts", "download", "--run-id", run_id, "--artifact-path", "up", "--dst-path", str(down),
    )  # fmt: skip
    assert {path.name: path.read_text() for path in (down / "up").iterdir()} == {
        "a.txt": "one",
        "b.txt": "two",
    }
