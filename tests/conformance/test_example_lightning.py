"""Autologging of a PyTorch Lightning training, in an environment of its own, since PyTorch is large."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import mlflow
import pytest

from tests.support.environments import Environment, python_of
from tests.support.server import clean_environment

SCRIPT: Final = Path(__file__).parent / "clients" / "lightning_training.py"
TRAINING_TIMEOUT_S: Final = 300.0
LIGHTNING: Final = Environment(
    "lightning", ("torch==2.13.0", "lightning==2.6.*", "mlflow-skinny==3.17.*", "pandas>=2", "psutil>=6")
)


@pytest.fixture
def trained(tracking: str, experiment: str, tmp_path: Path) -> dict[str, Any]:
    """What the training told: its run, its model, and its loss after each epoch."""
    done = subprocess.run(
        [str(python_of(LIGHTNING)), str(SCRIPT), tracking, experiment],
        cwd=tmp_path,
        env={**clean_environment(), "PYTHONPATH": "", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TRAINING_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_a_training_is_logged_epoch_by_epoch(client, experiment, trained):
    run = client.get_run(trained["run_id"])
    assert (run.info.experiment_id, run.info.status) == (experiment, "FINISHED")
    assert run.data.params["epochs"] == str(len(trained["losses"]))
    assert run.data.params["optimizer_name"] == "SGD"
    assert run.data.params["lr"] == "0.1"
    points = client.get_metric_history(trained["run_id"], "train_loss")
    assert [(point.step, point.value) for point in points] == list(enumerate(trained["losses"]))
    assert points[0].value > points[-1].value
    assert "model_summary.txt" in {entry.path for entry in client.list_artifacts(trained["run_id"])}
    (found,) = mlflow.search_logged_models(
        [experiment], f"source_run_id = '{trained['run_id']}'", output_format="list"
    )
    assert (found.model_id, str(found.status)) == (trained["model_id"], "READY")
