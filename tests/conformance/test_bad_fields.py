"""Fields of the wrong type, too long, too many or not there: refused one by one, and nothing is stored."""

import json

import pytest

from tests.conformance.refusals import INVALID, NOT_FOUND

TWO_NAMES = {"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}
LONG_DATASET = dict.fromkeys(("name", "digest", "source_type", "source"), "x" * 501)
TAGS = [{"key": f"t{number}", "value": ""} for number in range(101)]
POINT = {"key": "m", "value": 1, "timestamp": 1, "step": 1}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("experiments/create", {"name": 5}),
        ("experiments/create", {"name": ["x"]}),
        ("experiments/create", {"name": "x" * 501}),
        ("experiments/create", {"name": "x", "tags": {"a": "b"}}),
        ("experiments/create", {"name": "x", "tags": [{"key": "a", "value": 1}]}),
        ("experiments/create", {"name": "x", "artifact_location": "s3://a/b#c"}),
        ("experiments/create", {"name": "x", "artifact_location": "x" * 2049}),
        ("runs/create", {"experiment_id": "abc"}),
        ("runs/create", {"experiment_id": "9" * 30}),
        ("runs/create", {"experiment_id": 1}),
        ("runs/create", {"experiment_id": "٣"}),
        ("runs/create", {"experiment_id": "0", "start_time": "soon"}),
        ("runs/create", {"experiment_id": "0", "start_time": 2**63}),
        ("runs/create", {"experiment_id": "0", "start_time": 1.5}),
        ("runs/create", {"experiment_id": "0", "tags": [{"key": "x" * 251, "value": "v"}]}),
        ("runs/create", {"experiment_id": "0", **TWO_NAMES}),
        ("runs/log-metric", POINT | {"value": "abc"}),
        ("runs/log-metric", POINT | {"value": None}),
        ("runs/log-metric", POINT | {"value": {}}),
        ("runs/log-metric", POINT | {"value": "1e999x"}),
        ("runs/log-metric", POINT | {"timestamp": -1}),
        ("runs/log-metric", POINT | {"timestamp": 2**63}),
        ("runs/log-metric", POINT | {"timestamp": "now"}),
        ("runs/log-metric", POINT | {"step": 2**63}),
        ("runs/log-metric", POINT | {"step": [1]}),
        ("runs/log-metric", POINT | {"key": ""}),
        ("runs/log-metric", POINT | {"key": 7}),
        ("runs/log-metric", POINT | {"dataset_name": "d"}),
        ("runs/log-parameter", {"key": "p", "value": 5}),
        ("runs/log-parameter", {"value": "5"}),
        ("runs/set-tag", {"key": "t", "value": {"a": 1}}),
        ("runs/set-tag", {"key": None, "value": "v"}),
        ("runs/delete-tag", {"key": "not there"}),
        ("runs/update", {"status": []}),
        ("runs/update", {"status": 77}),
        ("runs/update", {"end_time": "later"}),
        ("runs/log-batch", {"metrics": [POINT, 7]}),
        ("runs/log-batch", {"metrics": [POINT | {"value": "abc"}]}),
        ("runs/log-batch", {"metrics": [{"key": "m", "value": 1}]}),
        ("runs/log-batch", {"metrics": "all"}),
        ("runs/log-batch", {"metrics": [POINT] * 1001}),
        ("runs/log-batch", {"params": TAGS}),
        ("runs/log-batch", {"tags": TAGS}),
        ("runs/log-batch", {"metrics": [POINT] * 901, "tags": TAGS[:100]}),
        ("runs/log-batch", {"metrics": [POINT], "params": [{"key": "p", "value": "1"}] * 2}),
        ("runs/log-batch", {"metrics": [POINT], "params": [{"key": "a#b", "value": "1"}]}),
        ("runs/log-batch", {"metrics": [POINT], "tags": [{"key": "../x", "value": "1"}]}),
        ("runs/log-inputs", {"datasets": [{"dataset": LONG_DATASET}]}),
        ("runs/log-inputs", {"datasets": [{"dataset": {"name": 5}}]}),
        ("runs/outputs", {"models": [{"model_id": "m", "step": 2**63}]}),
        ("runs/log-model", {"model_json": "zz"}),
        ("runs/log-model", {"model_json": "[]"}),
        ("runs/log-model", {"model_json": "{}"}),
        ("logged-models", {"experiment_id": "0", "name": "a/b"}),
        ("logged-models", {"experiment_id": "0", "params": [{"key": "x" * 251, "value": ""}]}),
    ],
    ids=lambda value: json.dumps(value)[:60],
)  # fmt: skip
def test_wrong_fields(refused, run_id, path, fields):
    code = NOT_FOUND if fields.get("key") == "not there" else INVALID
    if path.startswith("runs/") and path != "runs/create":
        fields = {"run_id": run_id, **fields}
    assert refused("POST", path, fields) == code
