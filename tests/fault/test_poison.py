"""Nothing that a user may store can stop the projector: reads answer afterwards, also after a rebuild."""

import json
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.rebuild import rebuild
from tests.support.server import running_server
from tracklog_contract.answers import LOGGED_MODELS_TAG
from tracklog_contract.limits import MODEL_ID_CHARS_MAX

MODEL: dict[str, Any] = {"artifact_path": "m", "flavors": {}, "utc_time_created": "x"}
TAGS = (
    "[" * 4_000,
    "[" * 979 + "]" * 979,
    "[" * 100 + "]" * 100,
    "{}",
    "nope",
    "",
    '"\\ud800"',
    "[NaN, 1e999]",
)


def record(api: Api, run_id: str, **fields: Any):
    model = json.dumps({"run_id": run_id, **MODEL, **fields})
    return api.call("POST", "runs/log-model", {"run_id": run_id, "model_json": model})


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [150, 900])
def test_a_model_record_that_is_too_deep_is_refused(levels: int) -> None:
    with running_server() as server, Api(server.url) as api:
        run_id = api.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        refusal = record(api, run_id, flavors={"f": {"x": deep(levels)}})
        assert (refusal.status, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
        assert record(api, run_id, flavors={"f": {"x": deep(50)}}).status == 200
        assert LOGGED_MODELS_TAG in api.call("GET", "runs/get", {"run_id": run_id}).body.decode()


def test_whatever_the_history_s_tag_holds_a_model_record_can_follow() -> None:
    with running_server() as server, Api(server.url) as api:
        runs = []
        for text in TAGS:
            run_id = api.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
            set_tag = {"run_id": run_id, "key": LOGGED_MODELS_TAG, "value": text}
            assert api.call("POST", "runs/set-tag", set_tag).status in (200, 400)
            for _ in range(2):
                assert record(api, run_id).status == 200
            runs.append(run_id)
        before = [api.get("runs/get", {"run_id": run_id}) for run_id in runs]
        assert '"child_exited"' not in server.log().replace('"child":"prepare"', "").split("server_ready")[-1]
        rebuild(server)
        assert [api.get("runs/get", {"run_id": run_id}) for run_id in runs] == before


# Four bytes in UTF-8, and a different one each time: nothing compresses it.
def incompressible(characters: int) -> str:
    return "".join(chr(0x20000 + (7_919 * number) % 40_000) for number in range(characters))


def longest(run_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Requests with the longest texts that are accepted, wherever the views index them."""
    point = {"key": incompressible(250), "value": 1, "timestamp": 1}
    measured = {
        "model_id": incompressible(MODEL_ID_CHARS_MAX),
        "dataset_name": incompressible(500),
        "dataset_digest": incompressible(36),
    }
    dataset = {
        "name": incompressible(500),
        "digest": incompressible(36),
        "source_type": "s",
        "source": incompressible(9_000),
    }
    model = {"model_id": incompressible(MODEL_ID_CHARS_MAX), "step": 1}
    pair = {"key": incompressible(250)}
    return [
        ("runs/log-metric", {"run_id": run_id, **point, **measured}),
        ("runs/log-batch", {"run_id": run_id, "metrics": [{**point, **measured, "step": 1}]}),
        ("runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset}], "models": [model]}),
        ("runs/outputs", {"run_id": run_id, "models": [model]}),
        ("runs/log-parameter", {"run_id": run_id, **pair, "value": incompressible(6_000)}),
        ("runs/set-tag", {"run_id": run_id, **pair, "value": incompressible(8_000)}),
        ("runs/create", {"experiment_id": "0", "run_name": incompressible(8_000), "start_time": 2**63 - 1}),
        ("experiments/create", {"name": incompressible(500), "tags": [{**pair, "value": "v"}]}),
        ("logged-models", {"experiment_id": "0", "name": incompressible(9_000), "model_type": "t" * 9_000}),
    ]


def too_long(run_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Requests that say more than an index row can hold."""
    point = {"run_id": run_id, "key": "k", "value": 1, "timestamp": 1}
    model = {"model_id": "m" * (MODEL_ID_CHARS_MAX + 1)}
    return [
        ("runs/outputs", {"run_id": run_id, "models": [{**model, "step": 1}]}),
        ("runs/log-inputs", {"run_id": run_id, "models": [model]}),
        ("runs/log-metric", {**point, **model}),
        ("runs/log-metric", {**point, "dataset_name": "n" * 501, "dataset_digest": "d"}),
        ("runs/log-metric", {**point, "dataset_name": "n", "dataset_digest": "d" * 37}),
        ("runs/log-batch", {"run_id": run_id, "metrics": [{**point, **model}]}),
    ]


def test_the_longest_texts_are_folded_and_longer_ones_refused() -> None:
    with running_server() as server, Api(server.url) as api:
        run_id = api.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        for path, fields in longest(run_id):
            api.post(path, fields)
            # The answer waits for the fold of what was just written.
            api.get("runs/get", {"run_id": run_id})
        api.post("runs/search", {"experiment_ids": ["0"]})
        for path, fields in too_long(run_id):
            refusal = api.call("POST", path, fields)
            assert (refusal.status, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE"), path
        before = api.get("runs/get", {"run_id": run_id})
        rebuild(server)
        assert api.get("runs/get", {"run_id": run_id}) == before
