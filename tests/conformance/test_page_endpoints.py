"""Endpoints that only MLflow's web page calls, and the second home of all others under /api/3.0."""

from urllib.parse import urlencode

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag

AJAX = "/ajax-api/2.0/mlflow/"
LIMIT_BYTES = 10 * 2**20


def upload(send, run_id, path, body, **headers):
    query = urlencode({name: text for name, text in (("run_uuid", run_id), ("path", path)) if text})
    return send("POST", f"{AJAX}upload-artifact?{query}", body, headers)


def dataset_input(name, digest, **tags):
    dataset = Dataset(name, digest, "code", "{}")
    return DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])


def summaries(api, *experiment_ids):
    answer = api.post(f"{AJAX}experiments/search-datasets", {"experiment_ids": experiment_ids})
    return answer.get("dataset_summaries", [])


def test_each_dataset_of_an_experiment_is_told_once_per_context(api, client, experiment, new_name):
    other = client.create_experiment(new_name())
    assert summaries(api, experiment) == []
    train = {"mlflow.data.context": "train"}
    for run_experiment in (experiment, experiment, other):
        run = client.create_run(run_experiment).info.run_id
        client.log_inputs(run, [dataset_input("b", "1", **train), dataset_input("a", "2", other="x")])
    run = client.create_run(experiment).info.run_id
    client.log_inputs(run, [dataset_input("b", "1", **{"mlflow.data.context": "eval"})])
    of_b = {"experiment_id": experiment, "name": "b", "digest": "1"}
    expected = [
        {"experiment_id": experiment, "name": "a", "digest": "2"},
        {**of_b, "context": "eval"},
        {**of_b, "context": "train"},
    ]
    assert summaries(api, experiment) == expected
    assert len(summaries(api, experiment, other)) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "SearchDatasets request must specify at least one experiment_id."),
        ({"experiment_ids": []}, "SearchDatasets request must specify at least one experiment_id."),
        (
            {"experiment_ids": ["0"] * 21},
            "SearchDatasets request cannot specify more than 20 experiment_ids. Received 21 experiment_ids.",
        ),
    ],
)
def test_a_search_for_datasets_names_one_to_twenty_experiments(api, fields, message):
    answer = api.call("POST", f"{AJAX}experiments/search-datasets", fields)
    assert (answer.status, answer.json["message"]) == (400, message)


def test_the_page_uploads_into_a_run(send, client, run_id):
    assert upload(send, run_id, "dir/table.json", b'{"a": 1}') == (200, {})
    (file,) = client.list_artifacts(run_id, "dir")
    assert (file.path, file.file_size) == ("dir/table.json", 8)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_has_at_most_ten_mebibytes(send, client, run_id, chunked):
    # Without Content-Length, the server learns the size as it comes.
    def body(size):
        return iter([bytes(size)]) if chunked else bytes(size)

    assert upload(send, run_id, "fits", body(LIMIT_BYTES)) == (200, {})
    status, answer = upload(send, run_id, "long", body(LIMIT_BYTES + 1))
    assert (status, answer["message"]) == (400, "Artifact size is too large. Max size is 10MB.")
    assert [file.path for file in client.list_artifacts(run_id)] == ["fits"]


def test_what_an_upload_must_say(send, client, run_id):
    def refusal(*request, **headers):
        status, answer = upload(send, *request, **headers)
        return status, answer["error_code"], answer["message"]

    invalid = (400, "INVALID_PARAMETER_VALUE")
    assert refusal("", "f", b"x") == (*invalid, "Request must specify run_uuid.")
    assert refusal(run_id, "", b"x") == (*invalid, "Request must specify path.")
    assert refusal(run_id, "f", b"") == (*invalid, "Request must specify data.")
    assert refusal(run_id, "f", iter([])) == (*invalid, "Request must specify data.")
    assert refusal(run_id, "../f", b"x") == (*invalid, "Invalid path")
    assert refusal("f" * 32, "f", b"x")[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert client.list_artifacts(run_id) == []


def test_a_model_s_artifacts_are_listed_and_read(api, client, experiment, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "MLmodel").write_text("flat")
    (tmp_path / "data" / "weights").write_text("123")
    model = client.create_logged_model(experiment, name="m")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    base = f"{AJAX}logged-models/{model.model_id}/artifacts"
    assert api.get(f"{base}/directories") == {
        "root_uri": model.artifact_location,
        "files": [
            {"path": "MLmodel", "is_dir": False, "file_size": 4},
            {"path": "data", "is_dir": True},
        ],
    }
    (inside,) = api.get(f"{base}/directories", {"artifact_directory_path": "data"})["files"]
    assert inside == {"path": "data/weights", "is_dir": False, "file_size": 3}
    answer = api.follow(api.call("GET", f"{base}/files", {"artifact_file_path": "data/weights"}))
    assert (answer.status, answer.body) == (200, b"123")
    missing = api.call("GET", f"{base}/files")
    assert missing.json == {
        "error_code": "BAD_REQUEST",
        "message": 'Request must include the "artifact_file_path" query parameter.',
    }
    for unknown in (f"{AJAX}logged-models/m-{'0' * 32}/artifacts/directories", f"{base}/files"):
        answer = api.call("GET", unknown, {"artifact_file_path": "none"})
        assert (answer.status, answer.error_code) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("what", "fields", "message"),
    [
        ("upload", {"path": "f"}, "Exactly one of run_id and model_id must be provided."),
        ("upload", {"run_id": "", "path": "f", "model_id": ""}, "Exactly one of run_id and model_id must be"),
        ("upload", {"run_id": "RUN"}, "Missing value for required parameter 'path'."),
        ("upload", {"run_id": "RUN", "path": "../f"}, "Invalid path"),
        (
            "upload",
            {"run_id": "RUN", "path": "f", "expiration": 0},
            "expiration must be between 1 and 604800 seconds (got 0).",
        ),
        ("download", {"path": "f"}, "Missing value for required parameter 'run_id'."),
        (
            "download",
            {"run_id": "RUN", "path": "f", "expiration": 604801},
            "expiration must be between 1 and 604800 seconds (got 604801).",
        ),
    ],
)
def test_a_malformed_request_for_a_presigned_url_is_refused(api, run_id, what, fields, message):
    sent = {name: run_id if value == "RUN" else value for name, value in fields.items()}
    answer = api.call("POST", f"artifacts/presigned-{what}-url", sent)
    assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert answer.json["message"].startswith(message)


def test_no_presigned_url_for_what_is_not_there_or_elsewhere(api, client, new_name):
    for owner in ({"run_id": "f" * 32}, {"model_id": "m-none"}):
        answer = api.call("POST", "artifacts/presigned-upload-url", {**owner, "path": "f"})
        assert (answer.status, answer.error_code) == (404, "RESOURCE_DOES_NOT_EXIST")
    elsewhere = client.create_experiment(new_name(), artifact_location="s3://bucket/folder")
    run = client.create_run(elsewhere).info.run_id
    answer = api.call("POST", "artifacts/presigned-download-url", {"run_id": run, "path": "f"})
    assert (answer.status, answer.error_code) == (501, "NOT_IMPLEMENTED")


def test_endpoints_are_under_version_3_too(api, experiment, run_id):
    for prefix in ("/api/3.0/mlflow", "/ajax-api/3.0/mlflow"):
        assert api.get(f"{prefix}/runs/get", {"run_id": run_id})["run"]["info"]["run_id"] == run_id
        found = api.post(f"{prefix}/runs/search", {"experiment_ids": [experiment]})["runs"]
        assert len(found) == 1


def test_the_page_is_told_to_report_nothing(api):
    path = "/ajax-api/3.0/mlflow/ui-telemetry"
    assert api.get(path) == {
        "disable_ui_telemetry": True,
        "disable_ui_events": [],
        "ui_rollout_percentage": 0,
    }
    assert api.post(path, {"records": [{"event": "click"}]}) == {"status": "disabled"}


def test_what_the_page_asks_about_is_empty_where_the_server_keeps_nothing(api):
    assert api.get("/ajax-api/2.0/mlflow/gateway-proxy", {"gateway_path": "api/2.0/endpoints/"}) == {
        "endpoints": []
    }
    for searched in ("model-versions", "registered-models"):
        assert api.get(f"/ajax-api/2.0/mlflow/{searched}/search", {"filter": "run_id='x'"}) == {}
