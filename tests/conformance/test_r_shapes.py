"""What MLflow's R client sends, and whether it could read the answers.

That client makes text of every number (`"step":"3"`, with 15 digits, and 100000 as `"1e+05"`), leaves out
what is NULL, sends both run_uuid and run_id, and turns lists of answers into columns, which takes entries
that all have the same fields. The bodies here are such as R's httr writes.
"""

import json
import math
from collections.abc import Iterator
from typing import Final

import pytest
import requests

HEADERS: Final = {
    "User-Agent": "mlflow-r-client/3.11.0",
    "Accept": "application/json, text/xml, application/xml, */*",
    "Accept-Encoding": "deflate, gzip, br, zstd",
}


class R:
    """The requests of the R client."""

    def __init__(self, url: str) -> None:
        self._session = requests.Session()
        self._session.headers.update(HEADERS)
        self._base = f"{url}/api/2.0/mlflow"

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def post(self, path, body, status=200):
        """POST a body that is JSON already; the answer as R's lists."""
        answer = self._session.post(
            f"{self._base}/{path}", body.encode(), headers={"Content-Type": "application/json"}, timeout=60
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path, query):
        """GET with a query string as it is."""
        answer = self._session.get(f"{self._base}/{path}?{query}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()


def columns(entries):
    """A list of records as columns, the way purrr's transpose, unlist and tibble make a table of them."""
    table = {name: [entry[name] for entry in entries] for name in entries[0]}
    # A field that only some entries have gives a column that is too short, and an error.
    assert all(entry.keys() == table.keys() for entry in entries), entries
    return {name: values for name, values in table.items() if scalars(values)}


def scalars(values):
    """Whether these fit into columns: anything else ends in an error."""
    assert not any(isinstance(value, dict | list) for value in values), values
    return True


def run_of(answer):
    """A run as R shows it: the info as one row, the data as tables."""
    info = answer["run"]["info"]
    assert scalars(info.values())
    data = answer["run"]["data"]
    return info, {name: columns(data[name]) for name in data}


@pytest.fixture
def r(tracking: str) -> Iterator[R]:
    client = R(tracking)
    yield client
    client.close()


@pytest.fixture
def run_id(r: R, experiment: str) -> str:
    body = (
        f'{{"experiment_id":"{experiment}","user_id":"ada","start_time":"1795519374108",'
        '"tags":[{"key":"mlflow.user","value":"ada"},{"key":"mlflow.source.name","value":"<console>"}]}'
    )
    run_id = r.post("runs/create", body)["run"]["info"]["run_uuid"]
    assert isinstance(run_id, str)
    return run_id


def test_experiments(r, new_name):
    name = new_name()
    number = r.post("experiments/create", f'{{"name":"{name}"}}')["experiment_id"]
    r.post("experiments/create", f'{{"name":"{name} 2","tags":[{{"key":"k","value":"v"}}]}}')
    r.post("experiments/set-experiment-tag", f'{{"experiment_id":"{number}","key":"k","value":"12.5"}}')
    encoded = requests.utils.quote(name)
    by_name = r.get("experiments/get-by-name", f"experiment_name={encoded}")["experiment"]
    assert columns(by_name.pop("tags")) == {"key": ["k"], "value": ["12.5"]}
    assert scalars(by_name.values())
    assert by_name["experiment_id"] == number
    r.post("experiments/update", f'{{"experiment_id":"{number}","new_name":"{name} renamed"}}')
    assert r.get("experiments/get", f"experiment_id={number}")["experiment"]["name"] == f"{name} renamed"
    r.post("experiments/delete", f'{{"experiment_id":"{number}"}}')
    r.post("experiments/restore", f'{{"experiment_id":"{number}"}}')
    # The default number of experiments, and one that R writes with an exponent, but too many for MLflow.
    listed = r.post("experiments/search", '{"view_type":"ACTIVE_ONLY","max_results":"1000"}')["experiments"]
    rows = [{field: value for field, value in entry.items() if field != "tags"} for entry in listed]
    assert number in columns(rows)["experiment_id"]
    too_many = r.post("experiments/search", '{"view_type":"ALL","max_results":"1e+05"}', status=400)
    assert too_many["error_code"] == "INVALID_PARAMETER_VALUE"
    mine = r.post(
        "experiments/search",
        f'{{"filter":"name LIKE \'{name}%\'","view_type":"ALL","max_results":"10","order_by":["name"]}}',
    )
    assert [entry["name"] for entry in mine["experiments"]] == [f"{name} 2", f"{name} renamed"]


def test_a_run(r, run_id, experiment):
    both = f'"run_uuid":"{run_id}","run_id":"{run_id}"'
    r.post("runs/log-parameter", f'{{{both},"key":"lr","value":"0.1"}}')
    r.post("runs/log-parameter", f'{{{both},"key":"empty","value":""}}')
    for step, value in [
        ("0", "0.3"), ("1", "3.33333333333333e-21"), ("2", "NaN"), ("-3", "Infinity"), ("1e+05", "7"),
    ]:  # fmt: skip
        r.post(
            "runs/log-metric",
            f'{{{both},"key":"m","value":"{value}","timestamp":"1.6e+12","step":"{step}"}}',
        )
    r.post("runs/set-tag", f'{{{both},"key":"t","value":"ünï"}}')
    r.post("runs/set-tag", f'{{{both},"key":"gone","value":"1"}}')
    r.post("runs/delete-tag", f'{{"run_id":"{run_id}","key":"gone"}}')
    r.post(
        "runs/log-batch",
        f'{{"run_id":"{run_id}","metrics":[{{"key":"a","value":"1","step":"1","timestamp":"1795519374108"}},'
        '{"key":"b","value":"NaN","step":"2","timestamp":"1795519374108"}]}',
    )
    r.post("runs/log-batch", f'{{"run_id":"{run_id}","params":[{{"key":"p","value":"v"}}],"tags":[]}}')
    ended = r.post("runs/update", f'{{{both},"status":"FINISHED","end_time":"1795519375000"}}')
    assert ended["run_info"]["run_uuid"] == run_id

    info, data = run_of(r.get("runs/get", f"run_uuid={run_id}&run_id={run_id}"))
    expected = {
        "run_uuid": run_id, "run_id": run_id, "experiment_id": experiment, "user_id": "ada",
        "status": "FINISHED", "lifecycle_stage": "active", "start_time": 1795519374108,
        "end_time": 1795519375000,
    }  # fmt: skip
    assert expected.items() <= info.items()
    metrics = dict(zip(data["metrics"]["key"], data["metrics"]["value"], strict=True))
    assert (metrics["m"], metrics["a"], math.isnan(float(metrics["b"]))) == (7.0, 1.0, True)
    params = dict(zip(data["params"]["key"], data["params"]["value"], strict=True))
    assert params == {"lr": "0.1", "empty": "", "p": "v"}
    tags = dict(zip(data["tags"]["key"], data["tags"]["value"], strict=True))
    assert (tags["t"], tags["mlflow.source.name"]) == ("ünï", "<console>")
    assert "gone" not in tags

    query = f"run_uuid={run_id}&run_id={run_id}&metric_key=m&max_results=25000"
    history = columns(r.get("metrics/get-history", query)["metrics"])
    assert history["step"] == [-3, 0, 1, 2, 100000]
    assert history["timestamp"] == [1_600_000_000_000] * 5
    values = [float(value) for value in history["value"]]
    assert values[:3] == [math.inf, 0.3, 3.33333333333333e-21]
    assert math.isnan(values[3])


def test_runs_are_searched_and_deleted(r, run_id, experiment):
    r.post("runs/delete", f'{{"run_id":"{run_id}"}}')
    # R reads `runs` by the beginning of the name, which nothing else in the answer may have.
    none = r.post("runs/search", f'{{"experiment_ids":["{experiment}"],"run_view_type":"ACTIVE_ONLY"}}')
    assert [name for name in none if name.startswith("run")] == []
    r.post("runs/restore", f'{{"run_id":"{run_id}"}}')
    found = r.post(
        "runs/search",
        f'{{"experiment_ids":["{experiment}"],"filter":"tags.mlflow.user = \'ada\'","run_view_type":"ALL",'
        '"order_by":["start_time DESC"]}',
    )
    assert [name for name in found if name.startswith("run")] == ["runs"]
    (run,) = found["runs"]
    info, data = run_of({"run": run})
    assert info["run_uuid"] == run_id
    assert "metrics" not in data


def test_artifacts_are_listed(r, run_id, client, tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "ü.txt").write_text("four")
    (tmp_path / "top.txt").write_text("one")
    client.log_artifacts(run_id, str(tmp_path))
    listed = r.get("artifacts/list", f"run_uuid={run_id}&run_id={run_id}")
    assert listed["root_uri"].endswith(f"{run_id}/artifacts")
    assert {entry["path"]: entry["is_dir"] for entry in listed["files"]} == {"a b": True, "top.txt": False}
    inside = r.get("artifacts/list", f"run_uuid={run_id}&run_id={run_id}&path=a%20b")
    assert [(entry["path"], entry["file_size"]) for entry in inside["files"]] == [("a b/ü.txt", 4)]


def test_a_model_is_recorded(r, run_id):
    model = (
        '{\\"artifact_path\\":\\"model\\",\\"utc_time_created\\":\\"26-11-24 10:00:00\\",'
        f'\\"run_id\\":\\"{run_id}\\",\\"flavors\\":{{\\"crate\\":{{\\"version\\":\\"0.1.0\\"}}}}}}'
    )
    r.post("runs/log-model", f'{{"run_id":"{run_id}","model_json":"{model}"}}')
    _, data = run_of(r.get("runs/get", f"run_uuid={run_id}&run_id={run_id}"))
    tags = dict(zip(data["tags"]["key"], data["tags"]["value"], strict=True))
    (recorded,) = json.loads(tags["mlflow.log-model.history"])
    assert (recorded["artifact_path"], recorded["run_id"]) == ("model", run_id)
