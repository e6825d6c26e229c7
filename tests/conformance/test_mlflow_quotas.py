"""Quotas, here Databricks' own: what fits is taken to the last, one more is refused and changes nothing."""

import pytest
from mlflow.entities import Metric, Param, RunTag

from tests.conformance.refusals import QUOTA, refused_with
from tracklog_contract.limits import QUOTAS

DATABRICKS = QUOTAS["databricks"]

pytestmark = pytest.mark.usefixtures("without_plugin")


def refused(what, count, limit):
    """Expects the refusal that names what there is too much of, how much it would be, and the limit."""
    return refused_with(QUOTA, rf"{what}.* would be {count:,}.* limit is {limit:,}\. [A-Z].+\.$")


def test_the_quotas_are_databricks_own():
    assert DATABRICKS.run_points == 1_000_000
    assert (DATABRICKS.run_params, DATABRICKS.run_tags) == (1_600, 1_600)
    assert (DATABRICKS.experiment_runs, DATABRICKS.experiment_tags) == (500_000, 1_000)
    assert QUOTAS["default"].run_points == 100_000_000


def test_params_of_a_run(client, run_id):
    names = [f"p{number}" for number in range(1600)]
    for begin in range(0, 1500, 100):
        client.log_batch(run_id, params=[Param(name, "v") for name in names[begin : begin + 100]])
    client.log_batch(run_id, params=[Param(name, "v") for name in names[1450:1550]])  # half of them again
    with refused("params", 1650, 1600):
        client.log_batch(run_id, params=[Param(f"q{number}", "v") for number in range(100)])
    client.log_batch(run_id, params=[Param(name, "v") for name in names[1500:]])
    with refused("params", 1601, 1600):
        client.log_batch(run_id, metrics=[Metric("m", 1, 1, 1)], params=[Param("one more", "v")])
    with refused("params", 1601, 1600):
        client.log_param(run_id, "one more", "v")
    client.log_param(run_id, "p0", "v")
    data = client.get_run(run_id).data
    assert (set(data.params), data.metrics) == (set(names), {})


def test_tags_of_a_run(client, run_id):
    # The run's name is a tag as well.
    names = [f"t{number}" for number in range(1599)]
    for begin in range(0, 1599, 100):
        client.log_batch(run_id, tags=[RunTag(name, "v") for name in names[begin : begin + 100]])
    for call in (
        lambda: client.set_tag(run_id, "one more", "v"),
        lambda: client.log_batch(run_id, tags=[RunTag("t0", "new"), RunTag("one more", "v")]),
    ):
        with refused("tags", 1601, 1600):
            call()
    client.set_tag(run_id, "t1", "new")
    client.delete_tag(run_id, "t2")
    client.set_tag(run_id, "one more", "v")
    tags = client.get_run(run_id).data.tags
    assert len(tags) == 1600
    assert (tags["t0"], tags["t1"], tags["one more"]) == ("v", "new", "v")


def test_a_run_that_would_begin_with_too_many_tags(client, experiment):
    with refused("tags", 1601, 1600):
        client.create_run(experiment, tags={f"t{number}": "v" for number in range(1600)})
    assert list(client.search_runs([experiment])) == []
    client.create_run(experiment, tags={f"t{number}": "v" for number in range(1599)})


def test_tags_of_an_experiment(client, new_name):
    number = client.create_experiment(new_name(), tags={f"t{n}": "v" for n in range(999)})
    client.set_experiment_tag(number, "last", "v")
    client.set_experiment_tag(number, "t0", "new")
    with refused("tags of this experiment", 1001, 1000):
        client.set_experiment_tag(number, "one more", "v")
    client.delete_experiment_tag(number, "t1")
    client.set_experiment_tag(number, "one more", "v")
    assert len(client.get_experiment(number).tags) == 1000
    with refused("tags of this experiment", 1001, 1000):
        client.create_experiment(name := new_name(), tags={f"t{n}": "v" for n in range(1001)})
    assert client.get_experiment_by_name(name) is None


def test_points_of_a_run(api, client, run_id, database_value):
    batch = [{"key": f"m{n % 8}", "value": n, "timestamp": n, "step": n} for n in range(1000)]
    for _ in range(999):
        api.post("runs/log-batch", {"run_id": run_id, "metrics": batch})
    client.log_metric(run_id, "n", 0, 0, 0)
    with refused("metric points", 1_000_001, 1_000_000):
        client.log_batch(run_id, [Metric("n", n, n, n) for n in range(1000)])
    client.log_batch(run_id, [Metric("n", n, n, n) for n in range(998)])
    client.log_metric(run_id, "n", 998, 998, 998)
    with refused("metric points", 1_000_001, 1_000_000):
        client.log_metric(run_id, "n", 999, 999, 999)
    assert len(client.get_metric_history(run_id, "n")) == 999
    of_kind = "select count(*) from tracklog_log.entry where kind = 71"
    assert database_value(f"{of_kind} and position(convert_to($1, 'utf8') in payload) > 0", run_id) == 1
    client.log_param(run_id, "p", "params still fit")
    data = client.get_run(run_id).data
    assert data.metrics == {"n": 998.0} | {f"m{n}": 992.0 + n for n in range(8)}
    assert data.params == {"p": "params still fit"}


def test_runs_of_an_experiment(client, experiment, database_value):
    # Half a million runs would take minutes: admission is made to believe that they are there.
    statement = (
        "update tracklog_admission.experiment set runs = 499999 where experiment_id = $1 returning runs"
    )
    assert database_value(statement, int(experiment)) == 499_999
    client.create_run(experiment)
    with refused("runs of this experiment", 500_001, 500_000):
        client.create_run(experiment)
    assert len(client.search_runs([experiment])) == 1


def test_points_are_counted_as_they_are_sent(client, run_id, database_value):
    client.log_batch(run_id, [Metric("m", 1, 1, 1)] * 3 + [Metric("n", 1, 1, 1)])
    client.log_metric(run_id, "m", 1, 1, 1)
    stored = database_value("select points from tracklog_admission.run where run_id = $1", run_id)
    assert stored == 5
