"""What is wrong raises with the plugin too: at once where this process can know, else at a later look."""

import logging

import mlflow
import numpy as np
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.credentials import get_default_host_creds

from tests.support.plugin import plugged_in, requests_seen
from tests.support.spools import wait_until
from tracklog.mlflow_plugin import runlog

MISSING = "0" * 32
OVERWRITTEN = (
    "Changing param values is not allowed. Param with key='p' was already logged with value='theirs'"
)


@pytest.fixture(autouse=True)
def plugged(tracking_server, spool, monkeypatch):
    monkeypatch.setenv("TRACKLOG_MLFLOW_PLUGIN", "1")
    with plugged_in(tracking_server.url):
        yield


@pytest.fixture
def overwritten(api, run_id):
    """A run in which somebody else has logged the param p."""
    api.post("runs/log-parameter", {"run_id": run_id, "key": "p", "value": "theirs"})
    return run_id


def refused(call):
    """The exception's type, code and text."""
    try:
        call()
    except Exception as error:
        return type(error), getattr(error, "error_code", None), str(error)
    return None


WRONG = {
    "metric key": lambda s, r: s.log_metric(r, Metric("a//b", 1.0, 1, 1)),
    "metric key characters": lambda s, r: s.log_metric(r, Metric("a?", 1.0, 1, 1)),
    "metric key length": lambda s, r: s.log_metric(r, Metric("k" * 251, 1.0, 1, 1)),
    "no metric key": lambda s, r: s.log_metric(r, Metric("", 1.0, 1, 1)),
    "metric key type": lambda s, r: s.log_metric(r, Metric(7, 1.0, 1, 1)),
    "value": lambda s, r: s.log_metric(r, Metric("m", "x", 1, 1)),
    "no value": lambda s, r: s.log_metric(r, Metric("m", None, 1, 1)),
    "huge value": lambda s, r: s.log_metric(r, Metric("m", 10**400, 1, 1)),
    "timestamp": lambda s, r: s.log_metric(r, Metric("m", 1.0, -1, 1)),
    "huge timestamp": lambda s, r: s.log_metric(r, Metric("m", 1.0, 2**63, 1)),
    "step": lambda s, r: s.log_metric(r, Metric("m", 1.0, 1, 2**63)),
    "step type": lambda s, r: s.log_metric(r, Metric("m", 1.0, 1, "x")),
    "param key": lambda s, r: s.log_param(r, Param("..", "v")),
    "param NUL": lambda s, r: s.log_param(r, Param("p", "a\0b")),
    "param surrogate": lambda s, r: s.log_param(r, Param("p", "\ud800")),
    "tag key": lambda s, r: s.set_tag(r, RunTag("/t", "v")),
    "no tag key": lambda s, r: s.set_tag(r, RunTag("", "v")),
    "too many metrics": lambda s, r: s.log_batch(r, [Metric("m", 1.0, 1, n) for n in range(1001)], [], []),
    "too many params": lambda s, r: s.log_batch(r, [], [Param(f"p{n}", "v") for n in range(101)], []),
    "too many tags": lambda s, r: s.log_batch(r, [], [], [RunTag(f"t{n}", "v") for n in range(101)]),
    "too many": lambda s, r: s.log_batch(
        r, [Metric("m", 1.0, 1, n) for n in range(1000)], [Param("p", "v")], []
    ),
    "doubled params": lambda s, r: s.log_batch(r, [], [Param("p", "v"), Param("p", "v")], []),
    "wrong in a batch": lambda s, r: s.log_batch(
        r, [Metric("m", 1.0, 1, 1), Metric("n?", 1.0, 1, 1)], [Param("p", "v")], [RunTag("a//b", "v")]
    ),
    "wrong time in a batch": lambda s, r: s.log_batch(r, [Metric("m", 1.0, -5, 1)], [], []),
    "wrong tag in a batch": lambda s, r: s.log_batch(r, [Metric("m", 1.0, 1, 1)], [], [RunTag("a//b", "v")]),
    "unknown run": lambda s, _: s.log_metric(MISSING, Metric("m", 1.0, 1, 1)),
    "unknown run's param": lambda s, _: s.log_param(MISSING, Param("p", "v")),
    "no run": lambda s, _: s.log_batch("../etc", [Metric("m", 1.0, 1, 1)], [], []),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_what_is_wrong_raises_as_without_the_plugin(client, api, run_id, tracking, call):
    stock = RestStore(lambda: get_default_host_creds(tracking))
    with_plugin = _get_store(tracking)
    assert with_plugin._known_run(run_id) is not None
    expected = refused(lambda: call(stock, run_id))
    assert expected is not None
    assert refused(lambda: call(with_plugin, run_id)) == expected
    data = api.get("runs/get", {"run_id": run_id})["run"]["data"]
    assert set(data) <= {"tags"}


@pytest.mark.parametrize(
    "number", [True, 3, np.float64(2.5), np.float32(0.5), np.int64(7), np.array([1.5])], ids=repr
)
def test_numbers_are_what_mlflow_takes_for_numbers(client, api, run_id, number):
    client.log_metric(run_id, "m", number, step=np.int64(3))
    client.log_batch(run_id, [Metric("n", number, 1, 1)])
    data = client.get_run(run_id).data
    assert data.metrics == {"m": float(np.asarray(number).item()), "n": float(np.asarray(number).item())}


def test_long_texts_are_cut_as_mlflow_s_server_cuts_them(client, run_id):
    client.log_param(run_id, "p", "x" * 7000)
    client.log_param(run_id, "p", "x" * 7000)
    client.set_tag(run_id, "t", "y" * 9000)
    data = client.get_run(run_id).data
    assert (data.params["p"], data.tags["t"]) == ("x" * 6000, "y" * 8000)


def test_a_param_that_this_process_has_logged_is_kept_at_once(client, api, run_id):
    client.log_param(run_id, "p", 1)
    client.log_param(run_id, "p", 1)
    other = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
    api.post("runs/log-parameter", {"run_id": other, "key": "p", "value": "1"})
    stock = RestStore(lambda: get_default_host_creds(mlflow.get_tracking_uri()))
    store = _get_store()
    for call in (
        lambda store, run: store.log_param(run, Param("p", "2")),
        lambda store, run: store.log_batch(run, [Metric("m", 1.0, 1, 1)], [Param("p", "2")], []),
    ):
        kind, code, text = refused(lambda call=call: call(stock, other))
        assert refused(lambda call=call: call(store, run_id)) == (kind, code, text.replace(other, run_id))
    with pytest.raises(MlflowException, match="depth"):  # MLflow's advice about params
        client.log_param(run_id, "p", 2)
    assert client.get_run(run_id).data.metrics == {}


def test_it_knows_of_params_logged_before_it_knew_the_server(client, experiment, tracking):
    run_id = client.create_run(experiment).info.run_id
    store = _get_store()
    RestStore.log_param(store, run_id, Param("p", "1"))
    store._admit(run_id, [Param("p", "1")])
    with pytest.raises(RestException, match="was already logged with value='1'"):
        store.log_param(run_id, Param("p", "2"))


@pytest.mark.parametrize("look", ["read", "flush", "search", "history", "change"])
def test_what_the_server_refuses_is_raised_by_the_next_look(client, overwritten, caplog, look):
    experiment = client.get_run(overwritten).info.experiment_id
    looks = {
        "read": lambda: client.get_run(overwritten),
        "flush": mlflow.flush_async_logging,
        "search": lambda: client.search_runs([experiment]),
        "history": lambda: client.get_metric_history(overwritten, "m"),
        "change": lambda: client.delete_tag(overwritten, "mlflow.runName"),
    }
    client.log_param(overwritten, "p", "ours")
    client.log_metric(overwritten, "m", 1)
    with pytest.raises(RestException, match=OVERWRITTEN) as raised:
        looks[look]()
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    assert "the server refused param 'p' of run" in caplog.text
    # Once; and the rest has arrived.
    data = client.get_run(overwritten).data
    assert (data.params, data.metrics) == ({"p": "theirs"}, {"m": 1.0})


def test_the_end_of_a_run_raises_and_ends_it(client, api, overwritten):
    active = mlflow.start_run(overwritten)
    mlflow.log_param("p", "ours")
    mlflow.log_metric("m", 1)
    with pytest.raises(RestException, match=OVERWRITTEN):
        mlflow.end_run()
    run = api.get("runs/get", {"run_id": active.info.run_id})["run"]
    assert (run["info"]["status"], len(run["data"]["metrics"])) == ("FINISHED", 1)
    assert mlflow.active_run() is None


def test_what_is_waited_for_raises(client, overwritten):
    operation = client.log_param(overwritten, "p", "ours", synchronous=False)
    for _ in range(2):
        with pytest.raises(MlflowException, match=OVERWRITTEN):
            operation.wait()
    client.log_param(overwritten, "q", "ours")
    with pytest.raises(MlflowException, match="Changing param values"):
        client.log_param(overwritten, "q", "changed", synchronous=False).wait()


def test_a_run_that_somebody_deletes_is_heard_of_while_it_is_logged_to(
    client, api, run_id, monkeypatch, caplog
):
    monkeypatch.setattr(runlog, "LOOK_S", 0.01)
    client.log_metric(run_id, "m", 1)
    mlflow.flush_async_logging()
    api.post("runs/delete", {"run_id": run_id})
    caplog.set_level(logging.CRITICAL, "tracklog")
    client.log_metric(run_id, "m", 2)

    def log():
        with requests_seen() as seen:
            return refused(lambda: client.log_metric(run_id, "m", 3)), seen

    (kind, code, text), seen = wait_until(lambda: (found := log())[0] and found)
    assert (kind, code, seen) == (RestException, "INVALID_PARAMETER_VALUE", [])
    assert "must be in the 'active' state" in text


def test_a_run_that_was_deleted_here_refuses_at_once(client, run_id):
    client.log_metric(run_id, "m", 1)
    client.delete_run(run_id)
    with pytest.raises(RestException, match="must be in the 'active' state"):
        client.log_metric(run_id, "m", 2)
    client.restore_run(run_id)
    client.log_metric(run_id, "m", 3, step=1)
    client.log_metric(run_id, "m", 4, step=2)
    assert len(client.get_metric_history(run_id, "m")) == 3


def test_a_quota_is_heard_of_at_the_flush(client, run_id):
    for start in range(0, 1700, 100):
        client.log_batch(run_id, params=[Param(f"p{n}", "v") for n in range(start, start + 100)])
    with pytest.raises(RestException, match=r"params of this run.*\(100 items were refused\.\)") as raised:
        mlflow.flush_async_logging()
    assert raised.value.error_code == "RESOURCE_LIMIT_EXCEEDED"
    assert len(client.get_run(run_id).data.params) == 1600
