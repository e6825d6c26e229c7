"""Pictures that a training logs: figures, images at steps, and tables that hold images."""

import matplotlib as mpl
import mlflow
import numpy as np
import pytest
from matplotlib.figure import Figure


@pytest.fixture
def run_id(experiment):
    mpl.use("Agg")
    with mlflow.start_run() as active:
        yield active.info.run_id


def test_figures(run_id):
    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    mlflow.log_figure(figure, "plots/loss.png")
    mlflow.log_figure(figure, "plots/loss.svg")
    assert mlflow.artifacts.load_image(f"runs:/{run_id}/plots/loss.png").size == (640, 480)
    assert "<svg" in mlflow.artifacts.load_text(f"runs:/{run_id}/plots/loss.svg")


def test_an_image_in_a_file(run_id):
    pixels = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    mlflow.log_image(pixels, "images/one.png")
    np.testing.assert_array_equal(
        np.array(mlflow.artifacts.load_image(f"runs:/{run_id}/images/one.png")), pixels
    )


def test_images_at_steps(client, run_id):
    for step in range(3):
        pixels = np.full((5, 7, 3), step * 100, dtype=np.uint8)
        mlflow.log_image(pixels, key="dogs/1", step=step, timestamp=1000 + step, synchronous=True)
    assert "mlflow.loggedImages" in client.get_run(run_id).data.tags
    # A file's name tells key, step and time, by which MLflow's page finds it; each has a small one beside it.
    files = [entry.path for entry in client.list_artifacts(run_id, "images")]
    assert len(files) == 6
    for step in range(3):
        beginning = f"images/dogs~1+step+{step}+timestamp+{1000 + step}+"
        (path,) = [path for path in files if path.startswith(beginning) and path.endswith(".png")]
        shown = np.array(mlflow.artifacts.load_image(f"runs:/{run_id}/{path}"))
        np.testing.assert_array_equal(shown, np.full((5, 7, 3), step * 100, dtype=np.uint8))


def test_a_table_with_images(client, run_id):
    pixels = np.full((3, 3, 3), 9, dtype=np.uint8)
    mlflow.log_table({"prompt": ["a", "b"], "picture": [mlflow.Image(pixels)] * 2}, "tables/shown.json")
    table = mlflow.load_table("tables/shown.json", [run_id], extra_columns=["run_id"])
    assert list(table["prompt"]) == ["a", "b"]
    assert set(table["run_id"]) == {run_id}
    for cell in table["picture"]:
        assert cell["type"] == "image"
        shown = mlflow.artifacts.load_image(f"runs:/{run_id}/{cell['filepath']}")
        np.testing.assert_array_equal(np.array(shown), pixels)
