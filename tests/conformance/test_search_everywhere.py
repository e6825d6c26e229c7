"""Searches of all experiments at once, by experiment_ids of ["*"]: beyond MLflow, which refuses that."""

import uuid

import mlflow
import pytest
from mlflow.entities import ViewType

from tests.conformance.refusals import INVALID, refused_with


@pytest.fixture
def mark():
    """A tag's value that nothing else on the server has."""
    return uuid.uuid4().hex


@pytest.fixture
def runs(client, new_name, mark):
    """Seven runs in three experiments, by turns; the oldest first."""
    experiments = [client.create_experiment(new_name()) for _ in range(3)]
    made = []
    for at in range(7):
        run_id = client.create_run(experiments[at % 3], start_time=at + 1, tags={"mark": mark}).info.run_id
        client.log_metric(run_id, "m", (at * 5) % 7)
        made.append(run_id)
    return made


def test_runs_of_all_experiments(client, runs, mark):
    def found(**arguments):
        page = client.search_runs(["*"], f"tags.mark = '{mark}'", **arguments)
        return [runs.index(run.info.run_id) for run in page]

    assert found() == [6, 5, 4, 3, 2, 1, 0]
    assert found(order_by=["metrics.m"]) == [0, 3, 6, 2, 5, 1, 4]
    client.delete_run(runs[5])
    client.delete_experiment(client.get_run(runs[1]).info.experiment_id)
    assert found() == [6, 3, 2, 0]
    assert found(run_view_type=ViewType.DELETED_ONLY) == [5, 4, 1]
    assert found(run_view_type=ViewType.ALL) == [6, 5, 4, 3, 2, 1, 0]
    frame = mlflow.search_runs(["*"], f"tags.mark = '{mark}' and metrics.m >= 3")
    assert list(frame["run_id"]) == [runs[2]]


def test_pages_go_on_when_an_experiment_is_added(client, runs, mark, new_name):
    def page(token):
        return client.search_runs(
            ["*"], f"tags.mark = '{mark}'", order_by=["start_time"], max_results=3, page_token=token
        )

    first = page(None)
    later = client.create_run(client.create_experiment(new_name()), start_time=100, tags={"mark": mark})
    second = page(first.token)
    third = page(second.token)
    found = [run.info.run_id for found in (first, second, third) for run in found]
    assert found == [*runs, later.info.run_id]
    assert third.token is None


def test_models_of_all_experiments(client, new_name, mark):
    models = []
    for _ in range(3):
        number = client.create_experiment(new_name())
        models.append(client.create_logged_model(number, tags={"mark": mark}).model_id)
    newest_first = models[::-1]
    found, token = [], None
    while not found or token:
        page = client.search_logged_models(["*"], f"tags.mark = '{mark}'", max_results=2, page_token=token)
        found.append([model.model_id for model in page])
        token = page.token
    assert found == [newest_first[:2], newest_first[2:]]


def test_the_star_stands_alone(client, experiment, api):
    with refused_with(INVALID):
        client.search_runs([experiment, "*"])
    with refused_with(INVALID):
        client.search_logged_models(["*", experiment])
    # No experiments at all are none, as in MLflow.
    client.create_run(experiment)
    assert list(client.search_runs([])) == []
    assert api.post("runs/search", {}) == {}
