"""What the README's table of threats says and no other test shows: each attack is made, and fails."""

import gzip
import secrets
import socket
import zlib

import psutil
import pytest
import zstandard

from tests.support.access import bearer, make_world
from tests.support.otlp import PROTOBUF

BOMB_BYTES = 150 * 2**20
INJECTIONS = (
    "' or true --",
    "'; drop table tracklog_access.principal; --",
    '" or ""="',
    "\\'; select 1; --",
    "%",
    "$1",
)


def test_no_uri_that_a_client_names_is_fetched(access, access_api):
    headers = access.headers("root")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}/latest/meta-data"
        made = access_api.call(
            "POST", "experiments/create", {"name": secrets.token_hex(8), "artifact_location": uri}, headers
        )
        experiment_id = made.json["experiment_id"]
        run = access_api.call("POST", "runs/create", {"experiment_id": experiment_id}, headers).json
        run_id = run["run"]["info"]["run_id"]
        dataset = {"name": "d", "digest": "d", "source_type": "http", "source": uri}
        for method, path, fields in (
            ("GET", "artifacts/list", {"run_id": run_id}),
            ("GET", "/get-artifact", {"run_id": run_id, "path": "a"}),
            ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=a", b"data"),
            ("POST", "artifacts/presigned-upload-url", {"run_id": run_id, "path": "a"}),
            ("POST", "artifacts/credentials-for-read", {"run_id": run_id, "path": ["a"]}),
            ("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": []}]}),
            ("POST", "/api/tracklog/v1/artifacts/list", {"run_id": run_id, "path": "", "recursive": True}),
        ):
            assert access_api.call(method, path, fields, headers).status < 500
        with pytest.raises(TimeoutError):
            listener.accept()


def test_nobody_chooses_a_place_in_anothers_folder(access, access_api):
    world = make_world(access_api, access.headers("root"))
    before = access.position()
    for place in (world.experiment_id, f"{world.experiment_id}/{world.run_id}/artifacts", "", "/../x"):
        for scheme in ("mlflow-artifacts:/", "MLFLOW-ARTIFACTS:/", "mlflow-artifacts://host/"):
            fields = {"name": secrets.token_hex(8), "artifact_location": scheme + place}
            answer = access_api.call("POST", "experiments/create", fields, access.headers("stranger"))
            assert answer.status == 400, (scheme, place, answer.body)
    assert access.position() == before


@pytest.mark.parametrize(
    ("path", "encoding"),
    [("runs/log-batch", "gzip"), ("/v1/traces", "deflate"), ("/api/tracklog/v1/ingest", "zstd")],
)
def test_a_body_that_unfolds_to_gigabytes_is_refused_while_it_does(access, access_api, path, encoding):
    plain = bytes(BOMB_BYTES)
    body = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding](plain)
    del plain
    kind = {"/v1/traces": PROTOBUF, "/api/tracklog/v1/ingest": "application/msgpack"}.get(
        path, "application/json"
    )
    headers = {"Content-Encoding": encoding, "Content-Type": kind, "x-mlflow-experiment-id": "0"}
    workers = [psutil.Process(pid) for pid in access.server.pids_by_role()["worker"]]
    before = sum(worker.memory_info().rss for worker in workers)
    answer = access_api.call("POST", path, body, {**headers, **access.headers("root")})
    assert answer.status == 400
    assert "body is longer than" in answer.json["message"]
    assert sum(worker.memory_info().rss for worker in workers) - before < BOMB_BYTES


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_whatever_a_client_sends_is_a_text(access, access_api, text):
    headers = access.headers("stranger")
    position = access.position()
    principals = access.value("select count(*) from tracklog_access.principal")
    quoted = text.replace("'", "''")
    asked = (
        ("POST", "experiments/search", {"max_results": 10, "filter": f"name = '{quoted}'"}),
        ("POST", "experiments/search", {"max_results": 10, "filter": text}),
        ("POST", "runs/search", {"experiment_ids": ["0"], "filter": f"params.`{text}` = '{quoted}'"}),
        ("POST", "runs/search", {"experiment_ids": ["0"], "order_by": [f"metrics.`{text}`"]}),
        ("POST", "/api/3.0/mlflow/traces/search", {"locations": [], "filter": text, "order_by": [text]}),
        ("GET", "experiments/get-by-name", {"experiment_name": text}),
        ("GET", "users/get", {"username": text}),
        ("GET", "/api/3.0/mlflow/users/permissions/list", {"username": text}),
        ("GET", "metrics/get-history", {"run_id": text, "metric_key": text}),
    )
    for method, path, fields in asked:
        answer = access_api.call(method, path, fields, headers)
        assert answer.status in {200, 400, 403, 404}, (path, answer.body)
        assert b"experiment_id" not in answer.body or answer.status != 200
    for more in (bearer(text), {"X-MLFLOW-WORKSPACE": text, **headers}):
        assert access_api.call("GET", "experiments/search", {"max_results": 10}, more).status in {401, 404}
    assert access.position() == position
    assert access.value("select count(*) from tracklog_access.principal") == principals
