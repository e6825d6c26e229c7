"""Requests answered as an MLflow 3.17 server answered them.

Each line of the golden file is a body or query, and the error code and message that MLflow gave, or null
where it accepted the request. Ids and texts that depend on stored data are not part of it.
"""

import json
from pathlib import Path

import pytest

from tracklog_contract import messages, validate
from tracklog_contract.errors import Rejected
from tracklog_contract.protojson import decode_body, decode_query

GOLDEN = Path(__file__).parent / "golden" / "request_errors.jsonl"
RECORDED = [json.loads(line) for line in GOLDEN.read_text().splitlines()]


def check_experiment(values):
    if values["artifact_location"]:
        validate.artifact_location(values["artifact_location"])
    validate.experiment_name(values["name"])
    for tag in values.get("tags", ()):
        validate.experiment_tag(tag["key"], tag["value"])


def check_metric(values):
    validate.metric_dataset(values.get("dataset_name"), values.get("dataset_digest"))
    validate.metric_key(values["key"])
    validate.timestamp_ms(values["timestamp"], values["key"], values["value"])


def check_batch(values):
    validate.run_id(values["run_id"])
    validate.batch(*(values.get(name, []) for name in ("metrics", "params", "tags")))


def check_inputs(values):
    validate.run_id(values["run_id"])
    validate.dataset_inputs(values.get("datasets", []))


def check_model(values):
    if values["name"]:
        validate.logged_model_name(values["name"])


def check_history(values):
    if "max_results" in values:
        validate.history_max_results(values["max_results"])


CHECKS = {
    "CREATE_EXPERIMENT": check_experiment,
    "UPDATE_EXPERIMENT": lambda values: validate.experiment_name(values["new_name"]),
    "SET_EXPERIMENT_TAG": lambda values: validate.experiment_tag(values["key"], values["value"]),
    "SEARCH_EXPERIMENTS": lambda values: validate.search_max_results(values["max_results"]),
    "SEARCH_RUNS": lambda values: validate.search_max_results(values["max_results"]),
    "LOG_METRIC": check_metric,
    "LOG_PARAMETER": lambda values: validate.param(values["key"], values["value"]),
    "SET_TAG": lambda values: validate.tag(values["key"], values["value"]),
    "LOG_BATCH": check_batch,
    "LOG_INPUTS": check_inputs,
    "LOG_MODEL": lambda values: validate.model_history_item(values["model_json"]),
    "CREATE_LOGGED_MODEL": check_model,
    "GET_METRIC_HISTORY": check_history,
    "GET_METRIC_HISTORY_BULK_INTERVAL": lambda values: validate.step_range(
        values.get("start_step"), values.get("end_step")
    ),
}


# The model is in the path, and Databricks' SDK does not say it again: tracklog does not ask for it there.
TAKEN = ("FINALIZE_LOGGED_MODEL", "Missing value for required parameter 'model_id'")


def answer(recorded):
    """The error of our decoder and checks, as the golden file writes it."""
    message = getattr(messages, recorded["request"])
    try:
        if "query" in recorded:
            values = decode_query(message, [(name, text) for name, text in recorded["query"]])
        else:
            values = decode_body(message, recorded["body"].encode(), "application/json")
        CHECKS.get(recorded["request"], lambda values: None)(values)
    except Rejected as rejected:
        return [rejected.error_code, rejected.message]
    return None


def test_every_request_with_rules_was_recorded():
    assert {recorded["request"] for recorded in RECORDED} >= set(CHECKS)
    assert sum(recorded["error"] is not None for recorded in RECORDED) > 200


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["request"])
def test_a_recorded_request_gets_mlflow_s_answer(recorded):
    request, error = recorded["request"], recorded["error"]
    is_taken = request == TAKEN[0] and error is not None and error[1].startswith(TAKEN[1])
    assert answer(recorded) == (None if is_taken else error)
