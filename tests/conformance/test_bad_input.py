"""Whatever is sent, the answer is MLflow's error in a 4xx, and nothing of it is stored."""

import gzip
import json
import math

import pytest

from tests.conformance.refusals import INVALID, NOT_FOUND

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
UNKNOWN_RUN = "0" * 32
MIB = 2**20
POINT = {"key": "m", "value": 1, "timestamp": 1, "step": 1}
CONTROL_CHARACTERS = ["\x00", "\x01", "\x1f", "\x7f", "\n", "\r", "\t", "\x85", "\u2028", "\ud800", "\udfff"]
BROKEN_JSON = [
    b"",
    b"{",
    b'{"run_id":',
    b"[1, 2",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"true",
    b"\xff\xfe\x00",
    b"{'run_id': 'x'}",
    b'{"run_id": "\xff"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"metrics": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"run_id": 1e400}',
    b'{"run_id": ' + b"9" * 100_000 + b"}",
]
WRITES = [
    "experiments/create", "experiments/update", "experiments/delete", "experiments/restore",
    "experiments/set-experiment-tag", "experiments/delete-experiment-tag",
    "runs/create", "runs/update", "runs/delete", "runs/restore", "runs/log-batch", "runs/log-metric",
    "runs/log-parameter", "runs/set-tag", "runs/delete-tag", "runs/log-inputs", "runs/outputs",
    "runs/log-model", "logged-models",
]  # fmt: skip


@pytest.mark.parametrize("path", WRITES)
def test_broken_json(refused, path):
    for body in BROKEN_JSON:
        assert refused("POST", path, body) == INVALID, body[:50]


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"}])
def test_a_body_that_is_not_said_to_be_json(refused, run_id, headers):
    body = {"run_id": run_id, "key": "k", "value": "v"}
    assert refused("POST", "runs/set-tag", body, headers) == INVALID


@pytest.mark.parametrize("character", CONTROL_CHARACTERS, ids=ascii)
def test_control_characters_in_keys(refused, run_id, character):
    key = f"a{character}b"
    for path, fields in (
        ("runs/log-metric", POINT | {"key": key}),
        ("runs/log-batch", {"metrics": [POINT, POINT | {"key": key}]}),
        ("runs/log-parameter", {"key": key, "value": "v"}),
        ("runs/set-tag", {"key": key, "value": "v"}),
    ):
        assert refused("POST", path, {"run_id": run_id, **fields}) == INVALID


@pytest.mark.parametrize("character", ["\x00", "\ud800"], ids=ascii)
def test_text_that_no_database_holds(refused, experiment, run_id, character):
    text = f"a{character}b"
    for path, fields in (
        ("experiments/create", {"name": text}),
        ("experiments/update", {"experiment_id": experiment, "new_name": text}),
        ("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "k", "value": text}),
        ("runs/create", {"experiment_id": experiment, "run_name": text}),
        ("runs/create", {"experiment_id": experiment, "user_id": text}),
        ("runs/update", {"run_id": run_id, "run_name": text}),
        ("runs/log-parameter", {"run_id": run_id, "key": "k", "value": text}),
        ("runs/set-tag", {"run_id": run_id, "key": "k", "value": text}),
        ("runs/log-batch", {"run_id": run_id, "params": [{"key": "k", "value": text}]}),
        ("runs/log-metric", {"run_id": run_id, **POINT, "model_id": text}),
        ("runs/log-model", {"run_id": run_id, "model_json": text}),
        ("runs/search", {"experiment_ids": [experiment], "filter": f"params.p = '{text}'"}),
        ("experiments/search", {"max_results": 5, "filter": f"name = '{text}'"}),
        ("logged-models", {"experiment_id": experiment, "name": text}),
        ("logged-models/search", {"experiment_ids": [experiment], "filter": f"name = '{text}'"}),
    ):
        assert refused("POST", path, fields) == INVALID


def test_ten_megabytes_where_a_key_belongs(refused, run_id):
    long = "k" * (10 * MIB)
    for path, fields in (
        ("experiments/create", {"name": long}),
        ("runs/log-metric", {"run_id": run_id, **POINT, "key": long}),
        ("runs/log-parameter", {"run_id": run_id, "key": long, "value": "v"}),
        ("runs/set-tag", {"run_id": run_id, "key": long, "value": "v"}),
        ("runs/log-batch", {"run_id": run_id, "metrics": [POINT | {"key": long}]}),
        ("runs/log-metric", {"run_id": long, **POINT}),
        ("runs/search", {"experiment_ids": ["0"], "filter": f"params.`{long}` = 'x'"}),
        ("runs/search", {"experiment_ids": ["0"], "order_by": [long]}),
        ("runs/search", {"experiment_ids": ["0"], "page_token": long}),
        ("runs/search", {"experiment_ids": [long]}),
    ):
        assert refused("POST", path, fields) in (INVALID, NOT_FOUND)


def test_bodies_beyond_the_limit(refused, run_id):
    body = json.dumps({"run_id": run_id, "key": "k", "value": "x" * (33 * MIB)}).encode()
    for path in ("runs/set-tag", "runs/log-batch", "runs/search", "experiments/create"):
        assert refused("POST", path, body) == INVALID
    # A small body that unfolds into a long one.
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert refused("POST", "runs/set-tag", gzip.compress(body * 10), headers) == INVALID
    assert refused("POST", "runs/set-tag", b"not gzip", headers) == "BAD_REQUEST"


def test_a_body_beyond_the_limit_whose_length_is_not_told(send, log_position):
    before = log_position()
    status, answer = send("POST", "runs/set-tag", iter([b" " * MIB] * 40))
    assert (status, answer["error_code"]) == (400, INVALID)
    assert log_position() == before


@pytest.mark.parametrize("run", [UNKNOWN_RUN, "nope", "x" * 300, "../..", "0" * 31, "é" * 32, "0" * 33])
def test_unknown_runs(refused, run):
    for path, fields in (
        ("runs/log-metric", POINT),
        ("runs/log-parameter", {"key": "p", "value": "v"}),
        ("runs/set-tag", {"key": "t", "value": "v"}),
        ("runs/delete-tag", {"key": "t"}),
        ("runs/log-batch", {"metrics": [POINT]}),
        ("runs/update", {"status": "FINISHED"}),
        ("runs/delete", {}),
        ("runs/restore", {}),
        ("runs/outputs", {"models": [{"model_id": "m"}]}),
    ):
        code = refused("POST", path, {"run_id": run, **fields})
        assert code in (NOT_FOUND, INVALID)


def test_unknown_experiments_models_and_paths(refused):
    assert refused("GET", "experiments/get?experiment_id=999999999") == NOT_FOUND
    assert refused("POST", "runs/create", {"experiment_id": "-1"}) == NOT_FOUND
    assert refused("GET", "experiments/get-by-name?experiment_name=nope%00") == INVALID
    assert refused("GET", f"runs/get?run_id={UNKNOWN_RUN}") == NOT_FOUND
    assert refused("GET", "runs/get") == INVALID
    assert refused("GET", "logged-models/m-nope") == NOT_FOUND
    assert refused("GET", "logged-models/m%00nope") in (INVALID, NOT_FOUND)
    assert refused("DELETE", "logged-models/m-nope") == NOT_FOUND
    assert refused("DELETE", "logged-models/m-nope/tags/a%00b") in (
        INVALID,
        NOT_FOUND,
    )
    assert refused("GET", "/api/2.0/mlflow/no-such-endpoint") == "ENDPOINT_NOT_FOUND"
    assert refused("GET", "/no-such-page") == "ENDPOINT_NOT_FOUND"
    assert refused("DELETE", "runs/create") == "ENDPOINT_NOT_FOUND"


@pytest.mark.parametrize(
    "path",
    ["../secret", "%2e%2e/secret", "..%2fsecret", "%252e%252e%252fsecret", "a/../../secret",
     "%2fetc%2fpasswd", "a%00b", "a%5c..%5c..%5csecret", "a%0ab", "..%c0%afsecret", "C:%5csecret"],
)  # fmt: skip
def test_artifact_paths_that_lead_out(refused, run_id, path):
    for method in ("PUT", "GET", "DELETE"):
        code = refused(method, f"{PROXY}/0/{run_id}/artifacts/{path}", b"x", {})
        assert code in (INVALID, "ENDPOINT_NOT_FOUND", NOT_FOUND)
    for listing in (f"{PROXY}?path={path}", f"artifacts/list?run_id={run_id}&path={path}"):
        assert refused("GET", listing) == INVALID


@pytest.mark.parametrize(
    "token", ["zzz", "%%%", "e30=", "WzEsMl0=", "W251bGwsbnVsbCxudWxsXQ==", "\u00e9", "x" * 9000]
)
def test_page_tokens_that_are_none(refused, send, run_id, token):
    for path, fields in (
        ("runs/search", {"experiment_ids": ["0"]}),
        ("experiments/search", {"max_results": 5}),
        ("logged-models/search", {"experiment_ids": ["0"]}),
    ):
        assert refused("POST", path, {**fields, "page_token": token}) == INVALID


def test_numbers_that_json_does_not_have(send, run_id):
    """Python writes NaN and Infinity into JSON; they are taken, since MLflow takes them."""
    for value in (math.nan, math.inf, -math.inf):
        body = json.dumps({"run_id": run_id, **POINT, "value": value}).encode()
        assert send("POST", "runs/log-metric", body) == (200, {})
