"""Hostile paths and ids by every way in and out of artifacts: refused, and nothing read or written."""

from urllib.parse import quote

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from tests.support.artifact_app import (
    ELSEWHERE,
    HOSTILE_RUN,
    LEDGER,
    MODEL,
    OUTSIDE_RUN,
    RESERVED_RUN,
    RUN,
    STORE,
    Server,
    application,
    raw,
    request_bytes,
    stored,
)
from tests.support.hostile import HOSTILE, HOSTILE_TEXTS

API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts"
FS = "/api/2.0/fs"
NATIVE = "/api/tracklog/v1/artifacts"
RUN_FILES = f"/WorkspaceInternal/Mlflow/Artifacts/0/Runs/{RUN}/artifacts"
MODEL_FILES = f"/WorkspaceInternal/Mlflow/Artifacts/0/LoggedModels/{MODEL}/artifacts"
SHA256 = "0" * 64
LATER = "2999-01-01T00:00:00Z"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
async def http(root):
    async with TestClient(Server(application(root))) as client:
        answer = await client.put(f"{PROXY}/artifacts/0/{RUN}/artifacts/f", data=b"x")
        assert answer.status == 200
        yield client
        # Whatever was asked, that one file is all there is.
        assert stored(root) == [f"0/{RUN}/artifacts/f"]
        assert sorted(item.name for item in root.parent.iterdir()) == ["store"]
        assert set(client.app[LEDGER].recorded) == {("0", RUN, "artifacts", "f")}
        assert client.app[LEDGER].promised == []
        assert [upload async for upload in client.app[STORE].uploads()] == []


async def refused(http, method, target, body=b"evil", content_type="", statuses=(400,)):
    status, answer = await raw(http, request_bytes(method, target, body, content_type))
    assert status in statuses, (method, target, body, status, answer)
    if method != "HEAD":
        error = msgspec.json.decode(answer)
        assert error.keys() == {"error_code", "message"}
        assert 0 < len(error["message"]) < 20_000
    return status


async def refused_json(http, target, fields, statuses=(400,)):
    await refused(http, "POST", target, msgspec.json.encode(fields), "application/json", statuses)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("folder", ["", f"0/{RUN}/artifacts/"])
async def test_by_urls_of_the_store(http, folder, hostile):
    path = folder + hostile
    for method, target in (
        ("PUT", f"{PROXY}/artifacts/{path}"),
        ("GET", f"{PROXY}/artifacts/{path}"),
        ("HEAD", f"{PROXY}/artifacts/{path}"),
        ("DELETE", f"{PROXY}/artifacts/{path}"),
        ("GET", f"{PROXY}/artifacts?path={path}"),
        ("POST", f"{PROXY}/mpu/create/{path}"),
        ("POST", f"{PROXY}/mpu/complete/{path}"),
        ("POST", f"{PROXY}/mpu/abort/{path}"),
        ("GET", f"{PROXY}/presigned/{path}"),
    ):
        await refused(http, method, target)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_by_urls_of_a_run_or_model(http, hostile):
    for method, target in (
        ("GET", f"{API}/artifacts/list?run_id={RUN}&path={hostile}"),
        ("GET", f"/get-artifact?run_id={RUN}&path={hostile}"),
        ("HEAD", f"/get-artifact?run_id={RUN}&path={hostile}"),
        ("POST", f"{API}/upload-artifact?run_uuid={RUN}&path={hostile}"),
        ("GET", f"{API}/logged-models/{MODEL}/artifacts/directories?artifact_directory_path={hostile}"),
        ("GET", f"{API}/logged-models/{MODEL}/artifacts/files?artifact_file_path={hostile}"),
    ):
        await refused(http, method, target)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("folder", ["", RUN_FILES, MODEL_FILES])
async def test_by_the_files_api(http, folder, hostile):
    path = f"{folder}/{hostile}"
    for method, target in (
        ("PUT", f"{FS}/files{path}"),
        ("GET", f"{FS}/files{path}"),
        ("HEAD", f"{FS}/files{path}"),
        ("DELETE", f"{FS}/files{path}"),
        ("POST", f"{FS}/files{path}?action=initiate-upload"),
        ("POST", f"{FS}/files{path}?action=complete-upload&session_token=x"),
        ("PUT", f"{FS}/directories{path}"),
        ("GET", f"{FS}/directories{path}"),
        ("HEAD", f"{FS}/directories{path}"),
        ("DELETE", f"{FS}/directories{path}"),
        ("POST", f"{FS}/create-download-url?path={path}&expire_time={LATER}"),
    ):
        await refused(http, method, target, statuses=(400, 404) if not folder else (400,))


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS)
async def test_in_json(http, hostile):
    file = {"path": hostile, "size": 1, "sha256": SHA256}
    part = {"part_number": 1, "etag": "x"}
    fs = {"path": f"{RUN_FILES}/{hostile}", "session_token": "x", "expire_time": LATER}
    for target, fields in (
        (f"{API}/artifacts/presigned-upload-url", {"run_id": RUN, "path": hostile}),
        (f"{API}/artifacts/presigned-upload-url", {"model_id": MODEL, "path": hostile}),
        (f"{API}/artifacts/presigned-download-url", {"run_id": RUN, "path": hostile}),
        (f"{API}/artifacts/credentials-for-read", {"run_id": RUN, "path": ["f", hostile]}),
        (f"{API}/artifacts/credentials-for-write", {"run_id": RUN, "path": ["f", hostile]}),
        (f"{API}/logged-models/{MODEL}/artifacts/credentials-for-upload", {"paths": ["f", hostile]}),
        (f"{API}/logged-models/{MODEL}/artifacts/credentials-for-download", {"paths": ["f", hostile]}),
        (f"{API}/artifacts/create-multipart-upload", {"run_id": RUN, "path": hostile, "num_parts": 1}),
        (
            f"{API}/artifacts/complete-multipart-upload",
            {"run_id": RUN, "path": hostile, "upload_id": "x", "part_etags": [part]},
        ),
        (f"{FS}/create-upload-part-urls", {**fs, "start_part_number": 1, "count": 1}),
        (f"{FS}/create-abort-upload-url", fs),
        (f"{NATIVE}/parts", {"run_id": RUN, "path": hostile, "upload_id": "x", "numbers": [1]}),
        (f"{NATIVE}/delete", {"run_id": RUN, "paths": ["f", hostile]}),
        (f"{NATIVE}/list", {"run_id": RUN, "path": hostile}),
    ):
        await refused_json(http, target, fields)
    for what, fields in (
        ("uploads", {"files": [file]}),
        ("complete", {"files": [file]}),
        ("downloads", {"paths": [hostile]}),
    ):
        answer = await http.post(f"{NATIVE}/{what}", json={"run_id": RUN, **fields})
        if answer.status == 200:
            (told,) = (await answer.json())["files"]
            assert (told["state"], told["error_code"]) == ("refused", "INVALID_PARAMETER_VALUE")
        else:
            assert answer.status == 400


HOSTILE_IDS = [
    "../" + RUN, "..", ".", f"{RUN}/../{RUN}", f"{RUN}/artifacts", f"{RUN}%2f..", f"%2e%2e/{RUN}", "", "*",
    "%", RUN.upper() + "x", RUN[:-1], RUN + "0", f" {RUN}", f"{RUN}\n", "m-../x", "\x7f", "x" * 5000,
    HOSTILE_RUN, OUTSIDE_RUN, *ELSEWHERE,
]  # fmt: skip


@pytest.mark.parametrize("owner", HOSTILE_IDS)
async def test_ids_that_are_none(http, owner):
    # 501 is MLflow's own answer to a location that it cannot sign for.
    wrong = (400, 404, 501)
    for target, fields in (
        (f"{API}/artifacts/presigned-upload-url", {"run_id": owner, "path": "f"}),
        (f"{API}/artifacts/presigned-download-url", {"run_id": owner, "path": "f"}),
        (f"{API}/artifacts/credentials-for-read", {"run_id": owner, "path": ["f"]}),
        (f"{API}/artifacts/credentials-for-write", {"run_id": owner, "path": ["f"]}),
        (f"{API}/artifacts/create-multipart-upload", {"run_id": owner, "path": "f", "num_parts": 1}),
        (f"{NATIVE}/uploads", {"run_id": owner, "files": [{"path": "f", "size": 1, "sha256": SHA256}]}),
        (f"{NATIVE}/uploads", {"model_id": owner, "files": [{"path": "f", "size": 1, "sha256": SHA256}]}),
        (f"{NATIVE}/list", {"run_id": owner}),
        (f"{NATIVE}/delete", {"run_id": owner, "paths": ["f"]}),
    ):
        await refused_json(http, target, fields, wrong)
    for method, target in (
        ("GET", f"/get-artifact?run_id={quote(owner)}&path=passwd"),
        ("GET", f"{API}/artifacts/list?run_id={quote(owner)}"),
        ("POST", f"{API}/upload-artifact?run_uuid={quote(owner)}&path=f"),
    ):
        await refused(http, method, target, statuses=wrong)
    path = f"/WorkspaceInternal/Mlflow/Artifacts/0/Runs/{owner}/artifacts/f"
    answer = await http.post(f"{FS}/create-download-url", params={"path": path})
    assert answer.status in wrong


async def test_what_the_store_keeps_for_itself_is_out_of_reach(http):
    owner = {"run_id": RESERVED_RUN}
    for target, fields in (
        (f"{API}/artifacts/presigned-upload-url", {**owner, "path": "key"}),
        (f"{API}/artifacts/credentials-for-write", {**owner, "path": ["key"]}),
        (f"{API}/artifacts/create-multipart-upload", {**owner, "path": "key", "num_parts": 1}),
    ):
        await refused_json(http, target, fields)
    await refused_json(http, f"{API}/artifacts/credentials-for-read", {**owner, "path": ["key"]}, (404,))
    await refused(http, "GET", f"/get-artifact?run_id={RESERVED_RUN}&path=key", statuses=(404,))
    await refused(http, "PUT", f"{PROXY}/artifacts/.incoming/key")
    file = {"path": "key", "size": 1, "sha256": SHA256}
    answer = await http.post(f"{NATIVE}/uploads", json={**owner, "files": [file]})
    (told,) = (await answer.json())["files"]
    assert (told["state"], told["error_code"]) == ("refused", "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "path",
    [
        f"/WorkspaceInternal/Mlflow/Artifacts/1/Runs/{RUN}/artifacts/f",
        f"/WorkspaceInternal/Mlflow/Artifacts/0/Runs/{MODEL}/artifacts/f",
        f"/WorkspaceInternal/Mlflow/Artifacts/0/LoggedModels/{RUN}/artifacts/f",
        f"/WorkspaceInternal/Mlflow/Artifacts/models/LoggedModels/{MODEL}/artifacts/f",
        f"/WorkspaceInternal/Mlflow/Artifacts/0/Runs/{RUN}/secrets/f",
        f"/WorkspaceInternal/Mlflow/Artifacts/0/Traces/{RUN}/artifacts/f",
        f"/WorkspaceInternal/Mlflow/Other/0/Runs/{RUN}/artifacts/f",
        f"/WorkspaceInternal/Mlflow/Artifacts/0/Runs/{RUN}/artifacts",
        "/Volumes/main/default/v/f",
        "/etc/passwd",
    ],
)
async def test_the_files_api_has_nothing_else(http, path):
    for method, target in (
        ("PUT", f"{FS}/files{path}"),
        ("GET", f"{FS}/files{path}"),
        ("DELETE", f"{FS}/files{path}"),
        ("POST", f"{FS}/files{path}?action=initiate-upload"),
        ("POST", f"{FS}/create-download-url?path={path}"),
    ):
        await refused(http, method, target, statuses=(404,))
