"""Whatever is sent about traces, the answer is MLflow's error in a 4xx, and nothing of it is stored."""

import pytest

from tests.conformance.refusals import INVALID, NOT_FOUND

TRACES = "/api/3.0/mlflow/traces"
TRACES_2 = "/api/2.0/mlflow/traces"
UNKNOWN = "tr-" + "0" * 32
BROKEN = [b"", b"{", b"null", b"[]", b"7", b"[" * 100_000, b'{"trace": 7}', b'{"trace": {"trace_info": []}}']
HUMAN = {"source_type": "HUMAN", "source_id": "me"}
DEEP = [1]
for _ in range(150):
    DEEP = [DEEP]


@pytest.fixture
def trace(experiment):
    """A TraceInfo that is taken, to be spoilt."""
    return {
        "trace_id": f"tr-of-{experiment}",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_time": "2025-01-31T12:00:00.500Z",
        "execution_duration": "1.500s",
        "state": "OK",
        "tags": {"k": "v"},
        "trace_metadata": {"m": "v"},
    }


@pytest.fixture
def trace_id(api, trace):
    return api.post(TRACES, {"trace": {"trace_info": trace}})["trace"]["trace_info"]["trace_id"]


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: body[:20].decode())
def test_broken_bodies(refused, body):
    for method, path in (
        ("POST", TRACES),
        ("POST", f"{TRACES}/search"),
        ("POST", f"{TRACES}/batchGetInfos"),
        ("POST", f"{TRACES_2}/delete-traces"),
        ("POST", f"{TRACES_2}/link-to-run"),
        ("PATCH", f"{TRACES_2}/{UNKNOWN}/tags"),
        ("DELETE", f"{TRACES}/{UNKNOWN}/tags"),
        ("POST", f"{TRACES}/{UNKNOWN}/assessments"),
        ("PATCH", f"{TRACES}/{UNKNOWN}/assessments/a-1"),
    ):
        assert refused(method, path, body) == INVALID, path


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": ""},
        {"trace_id": "x" * 256},
        {"trace_id": "a\0b"},
        {"request_time": "yesterday"},
        {"request_time": "2025-13-01T00:00:00Z"},
        {"request_time": "0001-01-01T00:00:00+23:59"},
        {"request_time": "9999-12-31T23:59:59-23:59"},
        {"request_time": 5},
        {"execution_duration": "5"},
        {"execution_duration": "999999999999s"},
        {"state": ["OK"]},
        {"tags": {"k" * 251: "v"}},
        {"tags": {"k": 5}},
        {"tags": [["k", "v"]]},
        {"tags": {"k": "a\0b"}},
        {"tags": {"k": "\ud800"}},
        {"tags": {"mlflow.traceName": "x" * 4097}},
        {"tags": {str(number): "v" for number in range(1001)}},
        {"trace_metadata": {"mlflow.trace.session": "s" * 251}},
        {"trace_metadata": {"m" * 251: "v"}},
        {"client_request_id": "x" * 256},
        {"request_preview": "a\0b"},
        {"trace_location": {"mlflow_experiment": {"experiment_id": "abc"}}},
        {"trace_location": {}},
        {"assessments": [{"assessment_name": "a"}]},
        {"assessments": [{"assessment_name": "a", "feedback": {"value": DEEP}}]},
        {"assessments": [{"assessment_name": "a", "feedback": {"value": 1}}] * 1001},
    ],
    ids=lambda wrong: f"{next(iter(wrong))} {str(next(iter(wrong.values())))[:20]!r}",
)
def test_traces_that_cannot_be_stored(refused, trace, wrong):
    assert refused("POST", TRACES, {"trace": {"trace_info": {**trace, **wrong}}}) == INVALID


def test_an_experiment_that_is_not_there(refused, trace):
    place = {"trace_location": {"mlflow_experiment": {"experiment_id": "987654321"}}}
    assert refused("POST", TRACES, {"trace": {"trace_info": {**trace, **place}}}) == NOT_FOUND
    assert refused("POST", TRACES_2, {"experiment_id": "987654321", "timestamp_ms": 5}) == NOT_FOUND


def test_a_deleted_experiment_takes_no_trace(api, refused, trace, experiment):
    api.post("experiments/delete", {"experiment_id": experiment})
    assert refused("POST", TRACES, {"trace": {"trace_info": trace}}) == INVALID


def test_spans_that_are_kept_elsewhere_stay_there(api, refused, trace):
    elsewhere = {**trace, "tags": {"mlflow.trace.spansLocation": "ARTIFACT_REPO"}}
    api.post(TRACES, {"trace": {"trace_info": elsewhere}})
    assert refused("POST", TRACES, {"trace": {"trace_info": trace}}) == "INVALID_STATE"
    assert refused("GET", f"{TRACES}/get?trace_id={trace['trace_id']}") == "INVALID_STATE"


@pytest.mark.parametrize(
    ("key", "value"),
    [("b@d", "v"), ("../up", "v"), ("k" * 251, "v"), ("k", "a\0b"), ("mlflow.trace.spansLocation", "x"),
     ("mlflow.trace.archiveLocation", "x"), ("mlflow.traceName", "x" * 4097), ("", "v"), ("k", 5)],
)  # fmt: skip
def test_wrong_tags(refused, trace_id, key, value):
    for prefix in (TRACES, TRACES_2):
        assert refused("PATCH", f"{prefix}/{trace_id}/tags", {"key": key, "value": value}) == INVALID


def test_traces_that_are_not_there(refused, run_id):
    for method, path, body in (
        ("GET", f"{TRACES}/{UNKNOWN}", b""),
        ("GET", f"{TRACES}/get?trace_id={UNKNOWN}&allow_partial=true", b""),
        ("GET", f"{TRACES_2}/{UNKNOWN}/info", b""),
        ("GET", f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={UNKNOWN}", b""),
        ("PATCH", f"{TRACES_2}/{UNKNOWN}", {"timestamp_ms": 5, "status": "OK"}),
        ("PATCH", f"{TRACES}/{UNKNOWN}/tags", {"key": "k", "value": "v"}),
        ("DELETE", f"{TRACES_2}/{UNKNOWN}/tags", {"key": "k"}),
        ("GET", f"{TRACES}/{UNKNOWN}/assessments/a-1", b""),
        ("DELETE", f"{TRACES}/{UNKNOWN}/assessments/a-1", b""),
        ("POST", f"{TRACES}/{UNKNOWN}/assessments", {"assessment": {"assessment_name": "a", "feedback": {}}}),
        ("POST", f"{TRACES_2}/link-to-run", {"trace_ids": ["x"], "run_id": "0" * 32}),
    ):
        assert refused(method, path, body) == NOT_FOUND, path


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"feedback": {"value": 1}, "expectation": {"value": 1}},
        {"expectation": {}},
        {"expectation": {"serialized_value": {"serialization_format": "PICKLE", "value": "1"}}},
        {"expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{"}}},
        {"expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[" * 5000}}},
        {"expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '"\\u0000"'}}},
        {"feedback": {"value": DEEP}},
        {"feedback": {"value": 10**400}},
        {"feedback": {"value": "a\0b"}},
        {"feedback": {"value": {"\ud800": 1}}},
        {"feedback": {"value": "x" * 1_000_001}},
        {"feedback": {"value": 1}, "assessment_name": "n" * 251},
        {"feedback": {"value": 1}, "assessment_id": "n" * 256},
        {"feedback": {"value": 1}, "metadata": {"k": 1}},
        {"feedback": {"value": 1}, "create_time": "never"},
    ],
)
def test_wrong_assessments(refused, trace_id, wrong):
    body = {"assessment": {"assessment_name": "a", "source": HUMAN, **wrong}}
    assert refused("POST", f"{TRACES}/{trace_id}/assessments", body) == INVALID


def test_an_assessment_stays_what_it_is(api, refused, trace_id):
    path = f"{TRACES}/{trace_id}/assessments"
    body = {"assessment": {"assessment_name": "a", "source": HUMAN, "feedback": {"value": 1}}}
    assessment_id = api.post(path, body)["assessment"]["assessment_id"]
    changed = {"assessment": {"expectation": {"value": 1}}, "update_mask": "expectation"}
    assert refused("PATCH", f"{path}/{assessment_id}", changed) == INVALID
    both = {"assessment": {}, "update_mask": "expectation,feedback"}
    assert refused("PATCH", f"{path}/{assessment_id}", both) == INVALID
    assert refused("PATCH", f"{path}/a-none", {**changed, "update_mask": "rationale"}) == NOT_FOUND
    taken = {"assessment": {**body["assessment"], "assessment_id": assessment_id}}
    assert refused("POST", path, taken) == INVALID
    overriding = {"assessment": {**body["assessment"], "overrides": "a-none"}}
    assert refused("POST", path, overriding) == NOT_FOUND


def test_wrong_deletions_and_links(refused, experiment, run_id):
    for wrong in (
        {},
        {"request_ids": ["x"], "max_timestamp_millis": 5},
        {"request_ids": ["x"], "max_traces": 5},
        {"max_timestamp_millis": 5, "max_traces": 0},
        {"max_timestamp_millis": 2**63},
        {"request_ids": [5]},
    ):
        body = {"experiment_id": experiment, **wrong}
        assert refused("POST", f"{TRACES_2}/delete-traces", body) == INVALID
    for trace_ids in (["x"] * 101, [""], ["x" * 256], ["a\0b"], "x"):
        body = {"trace_ids": trace_ids, "run_id": run_id}
        assert refused("POST", f"{TRACES_2}/link-to-run", body) == INVALID


def test_wrong_searches(refused, experiment):
    place = {"locations": [{"mlflow_experiment": {"experiment_id": experiment}}]}
    for wrong in (
        {"max_results": 501},
        {"max_results": 0},
        {"max_results": -1},
        {"order_by": ["bogus"]},
        {"order_by": ["feedback.x"]},
        {"order_by": ["timestamp", "timestamp_ms"]},
        {"order_by": ["name SIDEWAYS"]},
        {"order_by": [f"tags.k{number}" for number in range(21)]},
        {"page_token": "x"},
        {"filter": "a\0b = 'x'"},
        {"filter": " AND ".join(["status = 'OK'"] * 101)},
        {"locations": [{"mlflow_experiment": {"experiment_id": "abc"}}]},
    ):
        assert refused("POST", f"{TRACES}/search", {**place, **wrong}) == INVALID, wrong
    assert refused("GET", f"{TRACES_2}?experiment_ids={experiment}&max_results=501") == INVALID
    ids = "&".join(f"trace_ids=t{number}" for number in range(1001))
    assert refused("GET", f"{TRACES}/batchGet?{ids}") == INVALID


def test_version_2_begins_and_ends_a_trace(api, experiment):
    begun = api.post(
        TRACES_2,
        {
            "experiment_id": experiment,
            "timestamp_ms": 1000,
            "request_metadata": [{"key": "m", "value": "1"}],
            "tags": [{"key": "t", "value": "1"}],
        },
    )["trace_info"]
    assert (begun["status"], begun["execution_time_ms"]) == ("IN_PROGRESS", 0)
    trace_id = begun["request_id"]
    ended = api.call(
        "PATCH",
        f"{TRACES_2}/{trace_id}",
        {"timestamp_ms": 3500, "status": "ERROR", "tags": [{"key": "t", "value": "2"}]},
    ).json["trace_info"]
    assert (ended["status"], ended["execution_time_ms"]) == ("ERROR", 2500)
    assert api.get(f"{TRACES_2}/{trace_id}/info")["trace_info"] == ended
    found = api.get(TRACES_2, {"experiment_ids": [experiment], "filter": "tags.t = '2'"})
    assert found["traces"] == [ended]


def test_a_trace_named_twice_comes_once_where_it_is_named_last(api, trace):
    first, second = (f"{trace['trace_id']}{end}" for end in "ab")
    for trace_id in (first, second):
        api.post(TRACES, {"trace": {"trace_info": {**trace, "trace_id": trace_id}}})
    found = api.post(f"{TRACES}/batchGetInfos", {"trace_ids": [first, second, second, first]})
    assert [info["trace_id"] for info in found["trace_infos"]] == [second, first]


def test_a_trace_may_move_to_another_experiment(api, trace, trace_id, new_name):
    other = api.post("experiments/create", {"name": new_name()})["experiment_id"]
    first = trace["trace_location"]["mlflow_experiment"]["experiment_id"]
    moved = {**trace, "trace_location": {"mlflow_experiment": {"experiment_id": other}}}
    api.post(TRACES, {"trace": {"trace_info": moved}})
    for experiment, expected in ((first, []), (other, [trace_id])):
        found = api.post(
            f"{TRACES}/search", {"locations": [{"mlflow_experiment": {"experiment_id": experiment}}]}
        )
        assert [info["trace_id"] for info in found.get("traces", [])] == expected


def test_links_may_come_before_their_traces(api, trace, run_id, experiment):
    api.post(f"{TRACES_2}/link-to-run", {"trace_ids": [trace["trace_id"]], "run_id": run_id})
    api.post(TRACES, {"trace": {"trace_info": trace}})
    place = {"locations": [{"mlflow_experiment": {"experiment_id": experiment}}]}
    found = api.post(f"{TRACES}/search", {**place, "filter": f"run_id = '{run_id}'"})
    assert [info["trace_id"] for info in found["traces"]] == [trace["trace_id"]]
