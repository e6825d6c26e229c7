"""Any JSON to any endpoint: an answer, never a failure of the server, which works on afterwards."""

import itertools
import operator
import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api import Api
from tests.support.server import running_server
from tracklog_contract import messages as m
from tracklog_contract.shape import Message
from tracklog_server.access.needs import NEEDS

EXAMPLES = 12
NUMBERS = itertools.count()
PARAMETER = re.compile(r"\{\w+(:[^}]*)?\}")
# Files of the page, and what asks nothing, have nothing to be fuzzed.
PLAIN = {"/", "/health", "/version", "/static-files/{name}"}
UNDER_API = ("/2.0/", "/3.0/", "/4.0/", "/tracklog/")
ROUTES = [
    (method, f"/api{path}" if path.startswith(UNDER_API) else path)
    for method, path in NEEDS
    if path not in PLAIN
]
MESSAGES_OF_ALL = [message for message in vars(m).values() if isinstance(message, Message)]
FIELDS = sorted({key for message in MESSAGES_OF_ALL for key in message.field_by_key})
# What each endpoint reads, so that requests come close to what it accepts.
MESSAGES = {
    f"/api/2.0/mlflow/{path}": message
    for folder, by_name in {
        "experiments": {
            "search-datasets": m.SEARCH_DATASETS, "create": m.CREATE_EXPERIMENT, "get": m.GET_EXPERIMENT,
            "get-by-name": m.GET_EXPERIMENT_BY_NAME,
            "search": m.SEARCH_EXPERIMENTS, "update": m.UPDATE_EXPERIMENT, "delete": m.DELETE_EXPERIMENT,
            "restore": m.RESTORE_EXPERIMENT, "set-experiment-tag": m.SET_EXPERIMENT_TAG,
            "delete-experiment-tag": m.DELETE_EXPERIMENT_TAG,
        },
        "runs": {
            "create": m.CREATE_RUN, "get": m.GET_RUN, "update": m.UPDATE_RUN, "delete": m.DELETE_RUN,
            "restore": m.RESTORE_RUN, "search": m.SEARCH_RUNS, "log-batch": m.LOG_BATCH,
            "log-metric": m.LOG_METRIC, "log-parameter": m.LOG_PARAMETER, "set-tag": m.SET_TAG,
            "delete-tag": m.DELETE_TAG, "log-inputs": m.LOG_INPUTS, "outputs": m.LOG_OUTPUTS,
            "log-model": m.LOG_MODEL,
        },
        "metrics": {
            "get-history": m.GET_METRIC_HISTORY, "get-history-bulk": m.GET_METRIC_HISTORY_BULK,
            "get-history-bulk-interval": m.GET_METRIC_HISTORY_BULK_INTERVAL,
        },
        "logged-models": {
            "": m.CREATE_LOGGED_MODEL, "search": m.SEARCH_LOGGED_MODELS,
            "{model_id}": m.FINALIZE_LOGGED_MODEL, "{model_id}/tags": m.SET_LOGGED_MODEL_TAGS,
            "{model_id}/params": m.LOG_LOGGED_MODEL_PARAMS,
        },
        "artifacts": {
            "list": m.LIST_ARTIFACTS, "presigned-upload-url": m.CREATE_PRESIGNED_UPLOAD_URL,
            "presigned-download-url": m.CREATE_PRESIGNED_DOWNLOAD_URL,
        },
    }.items()
    for name, message in by_name.items()
    for path in [f"{folder}/{name}".rstrip("/")]
}  # fmt: skip
EDGES = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 0.5, 1e308, float("nan")]
WORDS = [
    "", "m", "FINISHED", "NaN", "Infinity", "7", "7.0", "1e400", "x" * 300, "é", "\x00", "\ud800", "a\nb",
    "..", "a/b", "metrics.m > 1", "params.`p` LIKE '%'", "tags.t IS NULL", "metrics.m DESC",
    "status = 'x' AND", "name = 'x'", "{}",
    '{"run_id":"x","artifact_path":"","utc_time_created":"","flavors":{}}',
]  # fmt: skip


# Pieces of filters, right and wrong, in any order.
TOKENS = [
    "metrics.m", "params.`p`", 'tags."t"', "attributes.status", "start_time", "run_id", "name",
    "dataset.name",
    "model_id", "status", "metrics.", "params.p.q", "foo.bar", "=", "!=", ">", "<=", "LIKE", "ILIKE", "IN",
    "NOT IN", "IS NULL", "IS NOT NULL", "AND", "OR", "NOT", "(", ")", "1", "-1e308", "1e400", "NaN", "'x'",
    '"%"', "'_%'", "('a','b')", "()", "'", "`", "é", "9" * 30, ",", ";", "--",
]  # fmt: skip


@pytest.fixture(scope="module")
def fuzzed():
    """A server of its own, whose experiments may well be deleted."""
    with running_server() as server, Api(server.url) as api:
        yield server, api
        assert "request_failed" not in server.log()
        assert "command_refused_by_database" not in server.log()


@pytest.fixture
def target(fuzzed):
    """The ids of a new experiment, run and model to aim at, with something in them."""
    _, api = fuzzed
    experiment = api.post("experiments/create", {"name": f"target {next(NUMBERS)}"})["experiment_id"]
    run_id = api.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    model = api.post("logged-models", {"experiment_id": experiment, "name": "model"})["model"]["info"]
    for step in range(3):
        point = {"key": "m", "value": step, "timestamp": 1, "step": step, "model_id": model["model_id"]}
        api.post("runs/log-metric", {"run_id": run_id, **point})
    api.post("runs/set-tag", {"run_id": run_id, "key": "t", "value": "x"})
    return {"experiment_id": experiment, "run_id": run_id, "model_id": model["model_id"]}


def anything(target):
    """JSON values, among them objects with the fields of MLflow's requests."""
    words = st.sampled_from([*WORDS, *target.values()])
    plain = st.none() | st.booleans() | st.sampled_from(EDGES) | st.floats() | st.text(max_size=20) | words
    return st.recursive(
        plain,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
        ),
        max_leaves=8,
    )


def fitting(field, target):
    """Values that the endpoint is likely to accept in a field."""
    known = {
        "filter": st.just("") | st.lists(st.sampled_from(TOKENS), max_size=7).map(" ".join),
        "order_by": st.sampled_from(["metrics.m DESC", "start_time", "name", "params.p"]),
        "page_token": st.just(""),
    }
    known |= {name: st.just(value) for name, value in target.items()}
    if field.message is not None:
        item = st.fixed_dictionaries({part.name: fitting(part, target) for part in field.message.fields})
    elif field.name.removesuffix("s") in known:
        item = known[field.name.removesuffix("s")]
    elif field.type == "string":
        item = st.sampled_from(["m", "t", "a/b", "é", "7"]) | st.text(max_size=300)
    elif field.type in ("int32", "int64", "double"):
        item = st.integers(1, 3)
    else:
        item = st.booleans() | st.sampled_from([1, 2, *(field.numbers or ())])
    return st.lists(item, max_size=3) if field.repeated else item


def requests_to(path, target):
    """Requests that fit, but for up to two fields; and sometimes any object at all."""
    values = anything(target)
    fields = MESSAGES[path].fields if path in MESSAGES else ()
    fit = st.fixed_dictionaries({field.name: fitting(field, target) for field in fields})
    wrong = st.dictionaries(st.sampled_from([field.name for field in fields] or FIELDS), values, max_size=2)
    return st.builds(operator.or_, fit, st.just({}) | wrong) | st.dictionaries(
        st.sampled_from(FIELDS) | st.text(max_size=5), values, max_size=6
    )


def filled(path, draw, target):
    """A route's path with something in the place of each parameter."""
    odd = st.sampled_from(["m-1", "..", "a/../b", "\x00", "%", "é"]) | st.text(min_size=1, max_size=8)
    likely = st.sampled_from([target["model_id"], "t"])
    return PARAMETER.sub(lambda _: quote(draw(likely | odd), safe="", errors="surrogatepass"), path)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=str)
def test_any_json_gets_an_answer(fuzzed, target, method, path):
    _, api = fuzzed

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def fuzz(data):
        url, fields = filled(path, data.draw, target), data.draw(requests_to(path, target))
        if method in ("GET", "HEAD"):
            texts = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
            url += "?" + urlencode(texts, doseq=True, errors="surrogatepass")
            fields = None
        answer = api.call(method, url, fields)
        assert answer.status < 500 or answer.error_code == "NOT_IMPLEMENTED"
        if answer.status != 200 and method != "HEAD":
            assert set(answer.json) == {"error_code", "message"}

    fuzz()


def test_the_server_still_works(fuzzed):
    _, api = fuzzed
    experiment = api.post("experiments/create", {"name": "afterwards"})["experiment_id"]
    run_id = api.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    api.post("runs/log-metric", {"run_id": run_id, "key": "m", "value": 1.5, "timestamp": 1})
    (found,) = api.post("runs/search", {"experiment_ids": [experiment]})["runs"]
    assert found["data"]["metrics"] == [{"key": "m", "value": 1.5, "timestamp": 1, "step": 0}]
    assert api.call("GET", "/health").status == 200
