"""Searching runs: MLflow's filters and orders, its DataFrame, its pages."""

import math

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

from tests.conformance.refusals import INVALID, refused_with

# What an MLflow 3.17 server answers to each filter, on the runs that `runs` makes: newest first.
FILTERS = {
    "": "CBA",
    "metrics.m = 1": "A",
    "metrics.m != 1": "B",
    "metrics.m != 5": "BA",
    "metrics.`m` >= 1": "A",
    'metrics."m" > -1': "A",
    "metric.m > 1e-3": "A",
    "params.p != 'x'": "BA",
    'parameter.p = "aBc"': "A",
    "params.p LIKE 'ab%'": "",
    "params.p LIKE 'aB%'": "A",
    "params.p LIKE '_B_'": "A",
    "params.p ILIKE 'ab%'": "A",
    "params.p IS NULL": "C",
    "params.p IS NOT NULL": "BA",
    'params.q = "it\'s"': "B",
    "params.q = 'it''s'": "",
    "tags.t = 'Foo'": "A",
    "tag.t!='x'": "A",
    "tags.t IS NULL": "CB",
    "tags.mlflow.runName = 'A'": "A",
    "attributes.status = 'RUNNING'": "CB",
    "attributes.status = 'running'": "",
    "status != 'RUNNING'": "A",
    "run_name LIKE '_'": "CBA",
    "run_name LIKE 'a%'": "",
    "`Run Name` = 'A'": "A",
    "start_time > 10": "CB",
    "attributes.created >= 20": "CB",
    "end_time = 99": "A",
    "user_id = 'unknown'": "CBA",
    "artifact_uri LIKE 'mlflow-artifacts:%'": "CBA",
    "dataset.name = 'd'": "A",
    "dataset.name IN ('d','q')": "A",
    "datasets.digest LIKE 'x'": "A",
    "dataset.context = 'train'": "A",
    "dataset.context NOT IN ('q')": "A",
    "metrics.m = 1 AND params.p = 'aBc'": "A",
    "metrics.m = 1 and params.p = 'zzz'": "",
    "metrics.m = 1 AND": "A",
}
REFUSED = [
    "   ", "metrics.m", "metrics.m = '1'", "metrics.m IS NULL", "metrics.m LIKE '1'", "metrics.m > NaN",
    "metrics.m==1", "params.p = abc", "params.p > 'a'", "params.p RLIKE 'a.*'",
    "params.p IN ('x')", "status IN ('RUNNING')", "start_time = '10'", "end_time IS NULL", "foo = 'x'",
    "foo.bar = 'x'", "lifecycle_stage = 'active'", "dataset.foo = 'x'", "run_id IN ()", "1 = 1",
    "params.p = 'x' metrics.m = 1", "params.p = 'x", "'; drop table run; --",
]  # fmt: skip
ORDERS = {
    ("metrics.m",): "ABC",
    ("metrics.m DESC",): "ABC",
    ("params.p",): "ABC",
    ("params.p DESC",): "BAC",
    ("tags.t",): "ACB",
    ("start_time",): "ABC",
    ("attribute.start_time ASC",): "ABC",
    ("start_time DESC", "metrics.m"): "CBA",
    ("run_name",): "ABC",
    ("run_name DESC",): "CBA",
    ("attributes.status desc",): "CBA",
    ("end_time",): "ACB",
    (): "CBA",
}


@pytest.fixture
def runs(client, experiment):
    """A finished run with everything, one with a NaN metric, one with nothing."""
    ids = {
        name: client.create_run(experiment, start_time=start, run_name=name).info.run_id
        for name, start in (("A", 10), ("B", 20), ("C", 30))
    }
    client.log_batch(ids["A"], [Metric("m", 1, 1, 0)], [Param("p", "aBc")], [RunTag("t", "Foo")])
    client.log_batch(ids["B"], [Metric("m", math.nan, 1, 0)], [Param("p", "zzz"), Param("q", "it's")])
    dataset = DatasetInput(Dataset("d", "x", "s", "u"), [InputTag("mlflow.data.context", "train")])
    client.log_inputs(ids["A"], [dataset])
    client.set_terminated(ids["A"], end_time=99)
    return ids


def names(found):
    return "".join(run.info.run_name for run in found)


def test_filters_find_what_mlflow_finds(client, experiment, runs):
    assert {text: names(client.search_runs([experiment], text)) for text in FILTERS} == FILTERS
    listed = f"run_id IN ('{runs['A']}', '{runs['C']}')"
    assert names(client.search_runs([experiment], listed)) == "CA"
    assert names(client.search_runs([experiment], listed.replace("IN", "NOT IN"))) == "B"


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_filter_is_refused(client, experiment, text):
    with refused_with(INVALID):
        client.search_runs([experiment], text)


def test_orders_are_mlflow_s(client, experiment, runs):
    found = {order: names(client.search_runs([experiment], order_by=list(order))) for order in ORDERS}
    assert found == ORDERS


@pytest.mark.parametrize("order", ["metrics.m FOO", "foo", "dataset.name", ""])
def test_what_is_no_order_is_refused(client, experiment, order):
    with refused_with(INVALID):
        client.search_runs([experiment], order_by=[order])


def test_deleted_runs_are_found_when_asked_for(client, experiment, runs):
    client.delete_run(runs["B"])
    found = {view: names(client.search_runs([experiment], run_view_type=view)) for view in (1, 2, 3)}
    assert found == {ViewType.ACTIVE_ONLY: "CA", ViewType.DELETED_ONLY: "B", ViewType.ALL: "CBA"}


def test_a_page_token_that_is_none_is_refused(client, experiment, runs):
    for token in ("zzz", "%%%", "eyJvZmZzZXQiOiAyfQ==", "é"):
        with refused_with(INVALID):
            client.search_runs([experiment], page_token=token)


def test_pages_hold_each_run_once_in_order(client, experiment):
    for number in range(25):
        run = client.create_run(experiment, start_time=1 + number // 4, run_name=str(number)).info.run_id
        client.log_metric(run, "m", number % 7)
    for order in ([], ["metrics.m DESC"], ["attributes.status", "metrics.m"]):
        whole = [run.info.run_id for run in client.search_runs([experiment], order_by=order)]
        paged, token = [], None
        while True:
            page = client.search_runs([experiment], order_by=order, max_results=4, page_token=token)
            paged += [run.info.run_id for run in page]
            if not (token := page.token):
                break
        assert paged == whole
        assert len(set(paged)) == 25


def test_the_data_frame_has_mlflow_s_columns_and_types(experiment):
    with mlflow.start_run(run_name="first") as first:
        mlflow.log_metrics({"loss": 0.5, "inf": math.inf})
        mlflow.log_param("lr", 0.1)
    open_run = mlflow.start_run(run_name="second", tags={"t": "x"})
    mlflow.log_metric("nan", math.nan)
    frame = mlflow.search_runs(order_by=["start_time ASC"])

    assert list(frame["run_id"]) == [first.info.run_id, open_run.info.run_id]
    assert set(frame["experiment_id"]) == {experiment}
    assert list(frame["status"]) == ["FINISHED", "RUNNING"]
    for column in ("start_time", "end_time"):
        assert isinstance(frame[column].dtype, pd.DatetimeTZDtype)
    assert pd.isna(frame["end_time"][1])
    assert frame["start_time"][0] <= frame["end_time"][0]
    metrics = {column for column in frame.columns if column.startswith("metrics.")}
    assert metrics == {"metrics.loss", "metrics.inf", "metrics.nan"}
    assert all(frame[column].dtype == float for column in metrics)
    assert frame["metrics.inf"][0] == math.inf
    assert frame["metrics.loss"].isna().tolist() == [False, True]
    assert frame["params.lr"].isna().tolist() == [False, True]
    assert frame["params.lr"][0] == "0.1"
    assert frame["tags.mlflow.runName"].tolist() == ["first", "second"]
    assert frame["tags.t"].isna().tolist() == [True, False]


def test_a_data_frame_of_many_runs_is_read_in_pages(client, experiment, monkeypatch):
    monkeypatch.setattr(mlflow.tracking.fluent, "NUM_RUNS_PER_PAGE_PANDAS", 4)  # of 10,000
    for number in range(1, 12):
        client.create_run(experiment, start_time=number, run_name=str(number))
    frame = mlflow.search_runs(order_by=["start_time ASC"])
    assert frame["tags.mlflow.runName"].tolist() == [str(number) for number in range(1, 12)]
    assert len(mlflow.search_runs(max_results=6)) == 6


def test_a_data_frame_of_nothing_has_the_columns_all_the_same(experiment):
    frame = mlflow.search_runs([experiment])
    assert len(frame) == 0
    assert {"run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"} <= set(
        frame.columns
    )


def test_runs_of_several_experiments_are_found_together(client, new_name):
    numbers = [client.create_experiment(new_name()) for _ in range(3)]
    for start, number in enumerate(numbers, 1):
        client.create_run(number, start_time=start)
    frame = mlflow.search_runs(numbers[:2])
    assert list(frame["experiment_id"]) == [numbers[1], numbers[0]]
    by_name = mlflow.search_runs(experiment_names=[client.get_experiment(numbers[2]).name])
    assert list(by_name["experiment_id"]) == [numbers[2]]
