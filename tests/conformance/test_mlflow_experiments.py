"""Every method of MlflowClient that concerns experiments."""

import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from tests.conformance.refusals import EXISTS, INVALID, INVALID_STATE, NOT_FOUND, refused_with


def test_an_experiment_lives_dies_and_lives_again(client, new_name):
    name, other = new_name(), new_name()
    number = client.create_experiment(name, tags={"a": "1"})
    run = client.create_run(number).info.run_id
    client.rename_experiment(number, other)
    assert client.get_experiment_by_name(name) is None
    assert client.get_experiment_by_name(other).experiment_id == number
    client.delete_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "deleted"
    assert client.get_experiment_by_name(other).lifecycle_stage == "deleted"
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    for call in (
        lambda: client.create_run(number),
        lambda: client.set_experiment_tag(number, "a", "2"),
        lambda: client.log_metric(run, "m", 1),
    ):
        with refused_with(INVALID):
            call()
    with refused_with(INVALID_STATE):
        client.rename_experiment(number, name)
    with refused_with(EXISTS):
        client.create_experiment(other)
    with refused_with(NOT_FOUND):
        client.delete_experiment(number)
    client.restore_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "active"
    assert client.get_run(run).info.lifecycle_stage == "active"
    client.log_metric(run, "m", 1)
    with refused_with(NOT_FOUND):
        client.restore_experiment(number)


def test_a_name_belongs_to_one_experiment(client, new_name):
    first, second = client.create_experiment(name := new_name()), client.create_experiment(new_name())
    with refused_with(EXISTS):
        client.rename_experiment(second, name)
    client.rename_experiment(first, name)
    client.rename_experiment(first, new_name())
    client.rename_experiment(second, name)
    assert client.get_experiment_by_name(name).experiment_id == second


def test_experiment_tags(client, experiment):
    client.set_experiment_tag(experiment, "k", "v1")
    client.set_experiment_tag(experiment, "k", "v2")
    client.set_experiment_tag(experiment, "long", "x" * 20_000)
    assert client.get_experiment(experiment).tags == {"k": "v2", "long": "x" * 20_000}
    client.delete_experiment_tag(experiment, "k")
    assert set(client.get_experiment(experiment).tags) == {"long"}
    with refused_with(NOT_FOUND):
        client.delete_experiment_tag(experiment, "k")
    with pytest.raises(MlflowException, match="exceeds the maximum length"):
        client.set_experiment_tag(experiment, "long", "x" * 20_001)


def test_an_experiment_keeps_the_artifact_location_it_was_given(client, new_name):
    number = client.create_experiment(new_name(), artifact_location="s3://bucket/somewhere")
    run = client.create_run(number)
    assert client.get_experiment(number).artifact_location == "s3://bucket/somewhere"
    assert run.info.artifact_uri == f"s3://bucket/somewhere/{run.info.run_id}/artifacts"


def test_experiments_are_searched_by_page(client, new_name):
    stem = new_name()
    numbers = [client.create_experiment(f"{stem}/{n}", tags={"parity": str(n % 2)}) for n in range(7)]
    client.delete_experiment(numbers[3])
    mine = f"name LIKE '{stem}/%'"

    def found(view=ViewType.ACTIVE_ONLY, filter_string=mine, order_by=("name",)):
        numbers, token = [], None
        while True:
            page = client.search_experiments(view, 2, filter_string, list(order_by), token)
            numbers += [experiment.experiment_id for experiment in page]
            if not (token := page.token):
                return numbers

    assert found() == numbers[:3] + numbers[4:]
    assert found(ViewType.DELETED_ONLY) == [numbers[3]]
    assert found(ViewType.ALL, order_by=["experiment_id DESC"]) == numbers[::-1]
    assert found(ViewType.ALL, order_by=()) == numbers[::-1]
    assert found(filter_string=f"{mine} AND tags.parity = '1'") == [numbers[1], numbers[5]]
