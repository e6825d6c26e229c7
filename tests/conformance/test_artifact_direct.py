"""The protocols of MLflow and Databricks by which clients reach the store themselves, step by step."""

import asyncio
import io
import os
from hashlib import sha256

import pytest
from aiohttp.test_utils import TestClient
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.errors.platform import InvalidParameterValue, ResourceAlreadyExists
from yarl import URL

from tests.support.artifact_app import (
    ESCAPED,
    LEDGER,
    MODEL,
    OTHER_RUN,
    RUN,
    STORE,
    Server,
    application,
    refusal,
    stored,
)
from tracklog_contract.errors import Unavailable
from tracklog_server import databricks

API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts"
FS = "/api/2.0/fs"
MIB = 2**20
FILES = f"/WorkspaceInternal/Mlflow/Artifacts/0/Runs/{RUN}/artifacts"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
async def http(root):
    app = application(root)
    for method, path, handler in databricks.root_routes():
        app.router.add_route(method, path, handler)
    async with TestClient(Server(app)) as client:
        yield client
        assert app[ESCAPED] == []
        assert app[LEDGER].promised == []
        assert [upload async for upload in app[STORE].uploads()] == []


async def ask(http, target, fields=None, method="POST", **query):
    answer = await http.request(method, target, json=fields, params=query)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def at_store(http, method, url, headers, data=b""):
    if isinstance(headers, list):
        headers = {header["name"]: header["value"] for header in headers}
    answer = await http.session.request(
        method, URL(url, encoded=True), headers=headers, data=io.BytesIO(data) if data else data
    )
    assert answer.status in (200, 204, 206), await answer.text()
    return answer


async def listed(http, run_id=RUN):
    answer = await ask(http, f"{API}/artifacts/list", method="GET", run_id=run_id)
    return {file["path"]: file["file_size"] for file in answer.get("files", [])}


async def carried(http):
    return (await ask(http, "/api/tracklog/v1/artifacts/carried", method="GET"))["carried_bytes"]


async def test_mlflow_s_parts(http, root):
    data = os.urandom(5 * MIB + 7)
    folder = f"0/{RUN}/artifacts/d"
    fields = {"path": "/home/me/größe.bin", "num_parts": 2}
    begun = await ask(http, f"{PROXY}/mpu/create/{folder}", fields)
    assert [credential["part_number"] for credential in begun["credentials"]] == [1, 2]
    parts = []
    for credential, piece in zip(begun["credentials"], (data[: 5 * MIB], data[5 * MIB :]), strict=True):
        answer = await at_store(http, "PUT", credential["url"], credential["headers"], piece)
        etag = answer.headers["ETag"]
        parts.append({"part_number": credential["part_number"], "etag": etag, "url": credential["url"]})
    done = {"path": "C:\\Users\\me\\größe.bin", "upload_id": begun["upload_id"], "parts": parts[::-1]}
    for _ in range(2):
        assert await ask(http, f"{PROXY}/mpu/complete/{folder}", done) == {}
    found = await ask(http, f"{PROXY}/presigned/{folder}/größe.bin", method="GET")
    assert found["file_size"] == len(data)
    answer = await at_store(http, "GET", found["url"], {**found["headers"], "Range": "bytes=3-9"})
    assert await answer.read() == data[3:10]
    assert await carried(http) == 0
    assert stored(root) == [f"{folder}/größe.bin"]


async def test_parts_that_are_given_up_leave_nothing(http, root):
    folder = f"{PROXY}/mpu/%s/0/{RUN}/artifacts"
    begun = await ask(http, folder % "create", {"path": "f", "num_parts": 1})
    credential = begun["credentials"][0]
    await at_store(http, "PUT", credential["url"], credential["headers"], b"part")
    named = {"path": "f", "upload_id": begun["upload_id"]}
    for _ in range(2):
        assert await ask(http, folder % "abort", named) == {}
    answer = await http.post(folder % "complete", json={**named, "parts": [{"part_number": 1, "etag": "x"}]})
    assert (await refusal(answer))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert stored(root) == []


@pytest.mark.parametrize("count", [0, 10_001, -1])
async def test_so_many_parts_there_cannot_be(http, count):
    for target, fields in (
        (f"{PROXY}/mpu/create/0/{RUN}/artifacts", {"path": "f"}),
        (f"{API}/artifacts/create-multipart-upload", {"path": "f", "run_id": RUN}),
    ):
        answer = await http.post(target, json={**fields, "num_parts": count})
        assert (await refusal(answer))[:2] == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("owner", [{"run_id": RUN}, {"model_id": MODEL}])
async def test_a_presigned_upload_is_found_without_a_word(http, root, owner):
    signed = await ask(http, f"{API}/artifacts/presigned-upload-url", {**owner, "path": "d/f"})
    await at_store(http, "PUT", signed["presigned_url"], signed["headers"], b"data")
    if "run_id" in owner:
        assert await ask(http, f"{API}/artifacts/list", method="GET", run_id=RUN, path="d") == {
            "root_uri": f"mlflow-artifacts:/0/{RUN}/artifacts",
            "files": [{"path": "d/f", "is_dir": False, "file_size": 4}],
        }
        found = await ask(http, f"{API}/artifacts/presigned-download-url", {**owner, "path": "d/f"})
        assert found["file_size"] == 4
        answer = await at_store(http, "GET", found["presigned_url"], found["headers"])
        assert await answer.read() == b"data"
    else:
        target = f"/ajax-api/2.0/mlflow/logged-models/{MODEL}/artifacts/files"
        assert await (await http.get(target, params={"artifact_file_path": "d/f"})).read() == b"data"


async def test_a_file_that_is_replaced_without_a_word_is_told_anew(http):
    for data in (b"first", b"the second"):
        signed = await ask(http, f"{API}/artifacts/presigned-upload-url", {"run_id": RUN, "path": "f"})
        await at_store(http, "PUT", signed["presigned_url"], signed["headers"], data)
        assert await listed(http) == {"f": len(data)}
    signed = await ask(http, f"{API}/artifacts/presigned-upload-url", {"run_id": RUN, "path": "f"})
    # Nothing came yet: the file that is there is not taken for what was promised.
    assert await listed(http) == {"f": 10}
    await at_store(http, "PUT", signed["presigned_url"], signed["headers"], b"3rd")
    head = await http.head(f"{PROXY}/artifacts/0/{RUN}/artifacts/f")
    assert head.headers["Content-Length"] == "3"


async def test_a_file_whose_record_was_lost_is_found(http, monkeypatch):
    """The process, or the database, died when the file was in the store and not yet in the log."""
    path = f"{PROXY}/artifacts/0/{RUN}/artifacts/f"
    assert (await http.put(path, data=b"before")).status == 200
    with monkeypatch.context() as patch:

        async def fail(_):
            raise Unavailable("the database is away")

        patch.setattr(http.app[LEDGER], "stored", fail)
        assert (await http.put(path, data=b"the new one")).status == 503
    assert await listed(http) == {"f": 11}
    assert http.app[LEDGER].recorded["0", RUN, "artifacts", "f"].sha256 == sha256(b"the new one").hexdigest()
    assert await (await http.get(path)).read() == b"the new one"


async def test_credentials_have_pages(http, monkeypatch):
    monkeypatch.setattr("tracklog_artifacts.credentials.PAGE_PATHS_MAX", 2)
    names, token, infos = [f"d/{number}" for number in range(5)], "", []
    while True:
        fields = {"run_id": RUN, "path": names, "page_token": token}
        page = await ask(http, f"{API}/artifacts/credentials-for-write", fields)
        assert len(page["credential_infos"]) <= 2
        infos += page["credential_infos"]
        if not (token := page.get("next_page_token", "")):
            break
    assert [info["path"] for info in infos] == names
    assert {(info["run_id"], info["type"]) for info in infos} == {(RUN, "AWS_PRESIGNED_URL")}
    for info in infos:
        await at_store(http, "PUT", info["signed_uri"], info["headers"], info["path"].encode())
    read = await ask(http, f"{API}/artifacts/credentials-for-read", {"run_id": RUN, "path": names[:1]})
    (info,) = read["credential_infos"]
    answer = await at_store(http, "GET", info["signed_uri"], info["headers"])
    assert await answer.read() == b"d/0"
    answer = await http.post(
        f"{API}/artifacts/credentials-for-read", json={"run_id": RUN, "path": [*names[:1], "no"]}
    )
    assert (await refusal(answer))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    too_many = {"run_id": RUN, "path": ["f"] * 2001}
    answer = await http.post(f"{API}/artifacts/credentials-for-write", json=too_many)
    assert (await refusal(answer))[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert await carried(http) == 0


@pytest.mark.parametrize("owner", [RUN, MODEL])
async def test_databricks_parts(http, root, owner):
    named = {"run_id": owner, "path": "big"}
    begun = await ask(http, f"{API}/artifacts/create-multipart-upload", {**named, "num_parts": 1})
    named["upload_id"] = begun["upload_id"]
    part = (
        await ask(
            http, f"{API}/artifacts/get-presigned-upload-part-url", method="GET", part_number=1, **named
        )
    )["upload_credential_info"]
    first = begun["upload_credential_infos"][0]
    for info in (first, part):
        answer = await at_store(http, "PUT", info["signed_uri"], info["headers"], b"part")
    etags = [{"part_number": 1, "etag": answer.headers["ETag"]}]
    for _ in range(2):
        target = f"{API}/artifacts/complete-multipart-upload"
        assert await ask(http, target, {**named, "part_etags": etags}) == {}
    assert [path.rpartition("/")[2] for path in stored(root)] == ["big"]
    given_up = await ask(
        http, f"{API}/artifacts/create-multipart-upload", {"run_id": owner, "path": "no", "num_parts": 1}
    )
    abort = given_up["abort_credential_info"]
    await at_store(http, "DELETE", abort["signed_uri"], abort["headers"])
    answer = await http.post(
        f"{API}/artifacts/complete-multipart-upload",
        json={"run_id": owner, "path": "no", "upload_id": given_up["upload_id"], "part_etags": etags},
    )
    assert (await refusal(answer))[0] == 404
    http.app[LEDGER].promised.clear()


async def test_an_upload_in_parts_is_good_for_its_own_file_only(http):
    named = {"run_id": RUN, "path": "f"}
    begun = await ask(http, f"{API}/artifacts/create-multipart-upload", {**named, "num_parts": 1})
    upload_id = begun["upload_id"]
    for wrong in ({"run_id": OTHER_RUN}, {"path": "g"}, {"upload_id": "0" * 32}, {"upload_id": "../x"}):
        query = {**named, "upload_id": upload_id, "part_number": 1, **wrong}
        answer = await http.get(f"{API}/artifacts/get-presigned-upload-part-url", params=query)
        assert (await refusal(answer))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    for path in (f"{FILES}/g", FILES.replace(RUN, OTHER_RUN) + "/f"):
        fields = {"path": path, "session_token": upload_id, "expire_time": "2999-01-01T00:00:00Z"}
        for target, more in (
            ("create-upload-part-urls", {"start_part_number": 1, "count": 1}),
            ("create-abort-upload-url", {}),
        ):
            answer = await http.post(f"{FS}/{target}", json={**fields, **more})
            assert (await refusal(answer))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    abort = begun["abort_credential_info"]
    await at_store(http, "DELETE", abort["signed_uri"], abort["headers"])
    http.app[LEDGER].promised.clear()


async def test_databricks_own_files_client(http, root, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", str(http.make_url("")).rstrip("/"))
    monkeypatch.setenv("DATABRICKS_TOKEN", "x")
    await asyncio.to_thread(use_files)
    assert stored(root) == [f"0/{RUN}/artifacts/a b.txt", f"0/{RUN}/artifacts/d/big"]
    assert await carried(http) == len(b"hello")


def use_files():
    files = WorkspaceClient().files
    files.get_directory_metadata(FILES)
    files.upload(f"{FILES}/a b.txt", io.BytesIO(b"hello"), overwrite=True)
    files.upload(f"{FILES}/empty", io.BytesIO(b""), overwrite=True)
    with pytest.raises(ResourceAlreadyExists):
        files.upload(f"{FILES}/a b.txt", io.BytesIO(b"taken"), overwrite=False)
    files._config.files_ext_multipart_upload_min_stream_size = 1
    big = os.urandom(12 * MIB)
    files.upload(f"{FILES}/d/big", io.BytesIO(big), overwrite=True, part_size=5 * MIB)
    assert [
        (item.name, item.is_directory, item.file_size) for item in files.list_directory_contents(FILES)
    ] == [
        ("a b.txt", False, 5),
        ("d", True, None),
        ("empty", False, 0),
    ]
    names = [item.name for item in files.list_directory_contents(FILES, page_size=1)]
    assert names == ["a b.txt", "d", "empty"]
    assert files.get_metadata(f"{FILES}/d/big").content_length == len(big)
    assert files.download(f"{FILES}/d/big").contents.read() == big
    assert files.download(f"{FILES}/a b.txt").contents.read() == b"hello"
    for absent in (files.get_directory_metadata, files.download, files.get_metadata, files.delete):
        with pytest.raises(NotFound):
            absent(f"{FILES}/no")
    files.create_directory(f"{FILES}/x/y")
    files.delete(f"{FILES}/empty")
    with pytest.raises(InvalidParameterValue):
        files.delete_directory(f"{FILES}/d")


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (f'"artifact_uri":"mlflow-artifacts:/12/{RUN}/artifacts"', f"12/{RUN}/artifacts"),
        (
            f'"artifact_uri":"mlflow-artifacts:/12/models/{MODEL}/artifacts"',
            f"12/logged_models/{MODEL}/artifacts",
        ),
        ('"artifact_location":"mlflow-artifacts:/12"', "12"),
        (f'"artifact_uri":"mlflow-artifacts:/a/b/{RUN}/artifacts"', f"b/{RUN}/artifacts"),
    ],
)
def test_places_have_databricks_names_for_its_clients(here, there):
    key = here.partition(":")[0]
    body = '{"runs":[{%s,"x":1}]}'
    renamed = databricks.renamed((body % here).encode()).decode()
    assert renamed == body % f'{key}:"dbfs:/databricks/mlflow-tracking/{there}"'


@pytest.mark.parametrize(
    "text",
    [
        '{"artifact_uri":"s3://bucket/x"}',
        f'{{"value":"{{\\"artifact_uri\\":\\"mlflow-artifacts:/12/{RUN}/artifacts\\"}}"}}',
        f'{{"value":"mlflow-artifacts:/12/{RUN}/artifacts"}}',
        f'{{"artifact_uri":"mlflow-artifacts:/{RUN}/artifacts"}}',
    ],
)
def test_nothing_else_is_renamed(text):
    assert databricks.renamed(text.encode()).decode() == text
