"""The artifact endpoints as MLflow's clients, browsers and attackers meet them."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import msgspec
import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from tests.support.artifact_app import (
    ESCAPED,
    HOSTILE_RUN,
    OUTSIDE_RUN,
    REFUSED,
    ROOTS,
    RUN,
    CancellingServer,
    Server,
    application,
    connection,
    incoming,
    raw,
    refusal,
    request_bytes,
    stored,
)
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.download import attachment, byte_range, content_type
from tracklog_artifacts.incoming import CHUNK_BYTES
from tracklog_contract.errors import NOT_FOUND

REPOSITORY = Path(__file__).parents[2]
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
FOLDER = f"{PROXY}/0/{RUN}/artifacts"
LIST = "/api/2.0/mlflow/artifacts/list"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
async def http(root):
    async with TestClient(Server(application(root))) as client:
        yield client


async def put(http, name, body=b"x"):
    answer = await http.put(f"{FOLDER}/{name}", data=body)
    assert (answer.status, await answer.json()) == (200, {}), await answer.text()


async def where(http, path):
    """Where a download is to be had."""
    answer = await http.get(path, allow_redirects=False)
    assert (answer.status, await answer.read()) == (302, b"")
    return answer.headers["Location"]


async def listed(http, endpoint, **params):
    answer = await http.get(endpoint, params=params)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def carried(http):
    """How many bytes of artifacts the endpoints have passed on."""
    return (await listed(http, "/api/tracklog/v1/artifacts/carried"))["carried_bytes"]


async def zeros(mebibytes):
    for _ in range(mebibytes):
        yield bytes(2**20)


async def test_upload_list_download_delete(http):
    await put(http, "dir/f.txt", b"hello")
    await put(http, "empty", b"")
    assert await listed(http, PROXY, path=f"0/{RUN}/artifacts") == {
        "files": [{"path": "dir", "is_dir": True}, {"path": "empty", "is_dir": False, "file_size": 0}]
    }
    answer = await http.get(f"{FOLDER}/dir/f.txt")
    assert (answer.status, await answer.read()) == (200, b"hello")
    answer = await http.delete(f"{FOLDER}/dir/f.txt")
    assert (answer.status, await answer.json()) == (200, {})
    status, code, message = await refusal(await http.get(f"{FOLDER}/dir/f.txt"))
    assert (status, code, message) == (404, NOT_FOUND, f"No such artifact: '0/{RUN}/artifacts/dir/f.txt'")


async def test_both_prefixes_are_one_store(http):
    await put(http, "f", b"x")
    answer = await http.get(f"/ajax-api/2.0/mlflow-artifacts/artifacts/0/{RUN}/artifacts/f")
    assert await answer.read() == b"x"


async def test_a_run_is_listed_with_paths_from_its_root(http):
    for name in ("a.txt", "d/b.txt", "d/e/c.txt"):
        await put(http, name, b"12")
    root_uri = ROOTS[RUN]
    a, d = {"path": "a.txt", "is_dir": False, "file_size": 2}, {"path": "d", "is_dir": True}
    inside_d = [{"path": "d/b.txt", "is_dir": False, "file_size": 2}, {"path": "d/e", "is_dir": True}]
    assert await listed(http, LIST, run_id=RUN) == {"root_uri": root_uri, "files": [a, d]}
    assert await listed(http, LIST, run_uuid=RUN, path="") == {"root_uri": root_uri, "files": [a, d]}
    assert await listed(http, LIST, run_id=RUN, path="d") == {"root_uri": root_uri, "files": inside_d}
    assert await listed(http, LIST, run_id=RUN, path="./d/", page_token="x") == {
        "root_uri": root_uri,
        "files": inside_d,
    }
    for nothing in ("a.txt", "no", "a.txt/no"):
        assert await listed(http, LIST, run_id=RUN, path=nothing) == {"root_uri": root_uri}


async def test_a_missing_directory_lists_nothing(http):
    await put(http, "a.txt")
    for nothing in ("no", f"0/{RUN}/artifacts/a.txt", f"0/{RUN}/artifacts/a.txt/no"):
        assert await listed(http, PROXY, path=nothing) == {}
    assert (
        await listed(http, PROXY)
        == await listed(http, PROXY, path="")
        == {"files": [{"path": "0", "is_dir": True}]}
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'run_id'.")),
        ("?path=x", (400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'run_id'.")),
        ("?run_id=no&path=x", (404, NOT_FOUND, "Run with id=no not found")),
        (f"?run_id={OUTSIDE_RUN}&path=x", (400, "INVALID_PARAMETER_VALUE", "The artifacts at 's3://bucket/")),
        (f"?run_id={HOSTILE_RUN}&path=x", (400, "INVALID_PARAMETER_VALUE", "Invalid path")),
        (f"?run_id={RUN}&path=%ff", (400, "INVALID_PARAMETER_VALUE", "Invalid query string")),
        (f"?run_id={RUN}&path=x" + "&y=1" * 100, (400, "INVALID_PARAMETER_VALUE", "Invalid query string")),
    ],
)
async def test_questions_about_no_run_of_ours_are_refused(http, query, expected):
    for path in (LIST, "/get-artifact"):
        status, body = await raw(http, request_bytes("GET", path + query))
        answer = msgspec.json.decode(body)
        assert (status, answer["error_code"]) == expected[:2]
        assert answer["message"].startswith(expected[2])


async def test_get_artifact(http):
    await put(http, "d/page.html", b"<script>alert(1)</script>")
    for name in ("run_id", "run_uuid"):
        answer = await http.get("/get-artifact", params={name: RUN, "path": "d/page.html"})
        assert (answer.status, await answer.read()) == (200, b"<script>alert(1)</script>")
        assert answer.headers["Content-Disposition"] == "attachment; filename=page.html"
    assert (await refusal(await http.get("/get-artifact", params={"run_id": RUN})))[0] == 400
    assert (await refusal(await http.get("/get-artifact", params={"run_id": RUN, "path": "no"})))[0] == 404
    assert (await refusal(await http.get("/get-artifact", params={"run_id": RUN, "path": "d"})))[0] == 400


@pytest.mark.parametrize(
    "name",
    [
        "a b.txt",
        "größe/日本語.txt",
        "img+step+0+timestamp+1795489942935.webp",
        "100%.txt",
        "a%41b.txt",
        "a&b=c;d.txt",
        "what?.txt",
        "'quoted' \"twice\".txt",
        "~user/[x]{y}.txt",
        "metric:loss.png",
        "👩\u200d🔬",
    ],
)
async def test_a_name_survives_every_way(http, root, name):
    target = f"{FOLDER}/{quote(name)}"
    assert await raw(http, request_bytes("PUT", target, name.encode())) == (200, b"{}")
    assert stored(root) == [f"0/{RUN}/artifacts/{name}"]
    answer = await http.get(URL(target, encoded=True))
    assert (answer.status, await answer.read()) == (200, name.encode())
    folder, _, basename = name.rpartition("/")
    files_of_run = (await listed(http, LIST, run_id=RUN, path=folder))["files"]
    assert files_of_run == [{"path": name, "is_dir": False, "file_size": len(name.encode())}]
    files_of_store = (await listed(http, PROXY, path=f"0/{RUN}/artifacts/{folder}"))["files"]
    assert files_of_store == [{"path": basename, "is_dir": False, "file_size": len(name.encode())}]
    answer = await http.get("/get-artifact", params={"run_id": RUN, "path": name})
    assert await answer.read() == name.encode()
    assert await raw(http, request_bytes("DELETE", target)) == (200, b"{}")
    assert stored(root) == []


@pytest.mark.parametrize("target", [f"{FOLDER}/f?x", f"{FOLDER}/f#x", f"{FOLDER}/f?"])
async def test_a_name_cut_off_by_the_client_changes_no_other_file(http, target):
    await put(http, "f", b"before")
    for method in ("PUT", "DELETE"):
        status, body = await raw(http, request_bytes(method, target, b"evil"))
        if not target.endswith("?"):
            assert status == 400, body
            assert b"must be sent as %3F" in body
            assert await (await http.get(f"{FOLDER}/f")).read() == b"before"


@pytest.mark.parametrize("path", ["f/below", "d", "d/e/", "n" * 256])
async def test_a_path_that_cannot_be_is_the_clients_fault(http, root, path):
    await put(http, "f")
    await put(http, "d/g")
    status, code, _ = await refusal(await http.put(f"{FOLDER}/{path}", data=b"x"))
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert len(stored(root)) == 2


async def test_the_whole_store_cannot_be_deleted(http, root):
    await put(http, "f")
    for path in ("", "/", "/.", "/./"):
        status, _ = await raw(http, request_bytes("DELETE", PROXY + path))
        assert status in (400, 404, 405)
    assert len(stored(root)) == 1
    answer = await http.delete(f"{FOLDER}/")
    assert answer.status == 200
    assert stored(root) == []


async def test_deleting_what_is_not_there_is_fine(http):
    answer = await http.delete(f"{FOLDER}/no/such")
    assert (answer.status, await answer.json()) == (200, {})


async def test_a_chunked_upload_without_a_byte_is_an_empty_file(http):
    head = (
        f"PUT {FOLDER}/empty HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert await raw(http, head.encode() + b"0\r\n\r\n") == (200, b"{}")
    assert (await (await http.get(f"{FOLDER}/empty")).read()) == b""


async def test_a_chunked_upload_is_stored_whole(http):
    content = os.urandom(3_000_000)

    async def parts():
        for at in range(0, len(content), 70_001):
            yield content[at : at + 70_001]

    await put(http, "f", parts())
    assert await (await http.get(f"{FOLDER}/f")).read() == content


async def test_an_encoded_upload_is_refused(http, root):
    answer = await http.put(f"{FOLDER}/f.gz", data=b"x" * 1000, compress="gzip")
    assert (await refusal(answer))[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert stored(root) == []


@pytest.mark.parametrize("head", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("server", [Server, CancellingServer])
async def test_an_upload_that_breaks_off_leaves_nothing(root, server, head):
    part = b"x" * 300_000
    body = part if "Length" in head else b"%x\r\n" % len(part) + part + b"\r\n"
    async with TestClient(server(application(root))) as http:
        await put(http, "f", b"before")
        for name in ("f", "new/g"):
            async with connection(http) as (_, writer):
                writer.write(f"PUT {FOLDER}/{name} HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n".encode() + body)
                await writer.drain()
                await until(lambda: incoming(root))
            await until(lambda: not incoming(root))
        if server is Server:
            await until(lambda: len(http.app[REFUSED]) == 2)
        assert http.app[ESCAPED] == []
        assert stored(root) == [f"0/{RUN}/artifacts/f"]
        assert await (await http.get(f"{FOLDER}/f")).read() == b"before"


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_too_many_uploads_are_told_to_come_back(root):
    config = ArtifactConfig(uploads_max=2)
    async with TestClient(Server(application(root, config))) as http, contextlib.AsyncExitStack() as held:
        head = f"PUT {FOLDER}/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        head += f"Content-Length: {CHUNK_BYTES + 1}\r\n\r\n"
        streams = [await held.enter_async_context(connection(http)) for _ in range(2)]
        for number, (_, writer) in enumerate(streams):
            writer.write((head % number).encode())
        await until(lambda: len(incoming(root)) == 2)
        assert (await refusal(await http.put(f"{FOLDER}/third", data=b"x")))[:2] == (
            503,
            "TEMPORARILY_UNAVAILABLE",
        )
        assert (await http.get(f"{FOLDER}/third")).status == 404
        for reader, writer in streams:
            writer.write(bytes(CHUNK_BYTES + 1))
            assert b" 200 OK" in await reader.read()
        await put(http, "third")


async def test_an_upload_that_stands_still_gives_its_place_back(root):
    config = ArtifactConfig(uploads_max=1, upload_stall_timeout_s=0.1)
    async with TestClient(Server(application(root, config))) as http:
        async with connection(http) as (reader, writer):
            writer.write(f"PUT {FOLDER}/f HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        await put(http, "g")
    assert stored(root) == [f"0/{RUN}/artifacts/g"]


async def test_download_headers(http):
    await put(http, "größe.csv", b"0123456789")
    answer = await http.get(f"{FOLDER}/größe.csv")
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"groe.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f-]+"', answer.headers["ETag"])
    head = await http.head(f"{FOLDER}/größe.csv")
    assert (head.status, await head.read()) == (200, b"")
    unequal = {"Date"}
    assert {k: v for k, v in head.headers.items() if k not in unequal} == {
        k: v for k, v in answer.headers.items() if k not in unequal
    }


@pytest.mark.parametrize(
    ("range_", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
    ],
)
async def test_ranges(http, range_, status, body, content_range):
    await put(http, "f", b"0123456789")
    answer = await http.get(f"{FOLDER}/f", headers={"Range": range_})
    assert (answer.status, await answer.read()) == (status, body)
    assert answer.headers.get("Content-Range") == content_range
    assert answer.headers["Content-Length"] == str(len(body))


async def test_conditions(http):
    await put(http, "f", b"first")
    answer = await http.get(f"{FOLDER}/f")
    etag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
    old = "Sat, 01 Jan 2000 00:00:00 GMT"
    part = {"Range": "bytes=0-0"}
    for headers, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": old}, 200),
        ({"If-Match": etag}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": modified}, 200),
        ({"If-Unmodified-Since": old}, 412),
        ({"If-Range": etag, **part}, 206),
        ({"If-Range": modified, **part}, 206),
        ({"If-Range": '"other"', **part}, 200),
        ({"If-Range": old, **part}, 200),
    ):
        answer = await http.get(f"{FOLDER}/f", headers=headers)
        assert answer.status == status, headers
        assert await answer.read() == {200: b"first", 206: b"f"}.get(status, b"")
    await put(http, "f", b"other")
    answer = await http.get(f"{FOLDER}/f", headers={"If-None-Match": etag})
    assert (answer.status, await answer.read()) == (200, b"other")


@pytest.mark.parametrize(
    ("header", "size", "part"),
    [
        ("", 10, None),
        ("bytes=0-0", 1, (0, 1)),
        ("BYTES=0-0 ", 1, (0, 1)),
        ("bytes=0-", 0, (0, 0)),
        ("bytes=-5", 0, (0, 0)),
        ("bytes=3-3", 3, (3, 0)),
        ("bytes=" + "9" * 30 + "-", 3, None),
        ("bytes=\u0661-", 3, None),
    ],
)
def test_byte_range(header, size, part):
    assert byte_range(header, size) == part


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MLmodel", "text/plain"),
        ("conda.yaml", "text/plain"),
        ("A.JSON", "text/plain"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.pdf", "application/pdf"),
        ("a.html", "application/octet-stream"),
        ("a.HTM", "application/octet-stream"),
        ("a.xhtml", "application/octet-stream"),
        ("a.svg", "application/octet-stream"),
        ("a.svgz", "application/octet-stream"),
        ("a.xml", "application/octet-stream"),
        ("a.js", "application/octet-stream"),
        ("a.mjs", "application/octet-stream"),
        ("a.css", "application/octet-stream"),
        ("a.swf", "application/octet-stream"),
        ("data.tar.gz", "application/gzip"),
        ("model.pkl", "application/octet-stream"),
        ("no-suffix", "application/octet-stream"),
        ("png", "image/png"),
    ],
)
def test_no_content_type_can_run_scripts(name, kind):
    assert content_type(name) == kind


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", "attachment; filename=a.txt"),
        ("a b.txt", "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("日本", "attachment; filename=\"artifact\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
    ],
)
def test_attachment_names(name, header):
    assert attachment(name) == header


async def test_a_file_cut_short_under_a_download_breaks_the_connection(http, root, monkeypatch):
    await put(http, "f", zeros(4))

    whole = os.sendfile

    def short(to, file, start, count):
        return whole(to, file, start, min(count, 2_000_000)) if start < 2_000_000 else 0

    monkeypatch.setattr(os, "sendfile", short)
    async with connection(http) as (reader, writer):
        target = await where(http, f"{FOLDER}/f")
        writer.write(request_bytes("GET", target).replace(b"Connection: close\r\n", b""))
        async with asyncio.timeout(5):
            answer = await reader.read()
    assert b"Content-Length: 4194304" in answer
    assert 2_000_000 < len(answer) < 4_000_000


async def test_a_client_that_hangs_up_in_a_download_is_no_error(root):
    ended = asyncio.Event()

    @web.middleware
    async def watch(request, handler):
        try:
            return await handler(request)
        finally:
            if request.method == "GET":
                ended.set()

    app = application(root)
    app.middlewares.insert(0, watch)
    async with TestClient(Server(app)) as http:
        await put(http, "f", zeros(20))
        target = await where(http, f"{FOLDER}/f")
        async with connection(http) as (reader, writer):
            ended.clear()
            writer.write(request_bytes("GET", target))
            await reader.readexactly(100_000)
            writer.transport.abort()
        async with asyncio.timeout(10):
            await ended.wait()
        assert app[ESCAPED] == []


def measure_memory() -> None:
    """Print how many bytes this process grew while 256 MiB went up and down through its own server."""
    asyncio.run(_measure_memory(256))


async def _measure_memory(mebibytes):
    process, block, peak = psutil.Process(), os.urandom(2**20), 0

    def sample():
        nonlocal peak
        peak = max(peak, process.memory_info().rss)

    async def body(count):
        for _ in range(count):
            yield block
            sample()

    with tempfile.TemporaryDirectory() as folder:
        async with TestClient(Server(application(Path(folder)))) as http:
            await put(http, "warm", body(4))
            before = process.memory_info().rss
            await put(http, "big", body(mebibytes))
            size = 0
            async for piece in (await http.get(f"{FOLDER}/big")).content.iter_any():
                size += len(piece)
                sample()
            assert size == mebibytes * 2**20
    print(peak - before)


def test_big_files_stream_in_bounded_memory():
    program = "from tests.conformance.test_artifact_http import measure_memory; measure_memory()"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) < 64 * 2**20


class TestMlflowClient:
    """MLflow's own client, unmodified, against these routes. Only here is it imported: that takes seconds."""

    @pytest.fixture(autouse=True)
    def quiet(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

    def repository(self, tracking_uri):
        from mlflow.store.artifact.mlflow_artifacts_repo import (  # noqa: PLC0415 - see above
            MlflowArtifactsRepository,
        )

        return MlflowArtifactsRepository(ROOTS[RUN], tracking_uri=tracking_uri)

    @pytest.fixture
    def local_files(self, tmp_path):
        folder = tmp_path / "local"
        (folder / "s" / "t").mkdir(parents=True)
        for name, content in (
            ("1.txt", b"one"),
            ("empty", b""),
            ("s/a b+é.bin", b"\x00" * 300_000),
            ("s/t/2.txt", b"2"),
        ):
            (folder / name).write_bytes(content)
        return folder

    async def test_a_run_of_artifact_calls(self, http, local_files, tmp_path):
        await asyncio.to_thread(
            self.use_artifacts, str(http.make_url("")).rstrip("/"), local_files, tmp_path / "down"
        )

    def use_artifacts(self, tracking_uri, local_files, down):
        import mlflow.artifacts  # noqa: PLC0415 - see above
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see above

        down.mkdir()
        repository = self.repository(tracking_uri)
        repository.log_artifact(str(local_files / "1.txt"))
        repository.log_artifacts(str(local_files), "arts")
        assert [(f.path, f.is_dir, f.file_size) for f in repository.list_artifacts()] == [
            ("1.txt", False, 3),
            ("arts", True, None),
        ]
        assert [f.path for f in repository.list_artifacts("arts/s")] == ["arts/s/a b+é.bin", "arts/s/t"]
        assert repository.list_artifacts("1.txt") == repository.list_artifacts("no") == []
        found = mlflow.artifacts.list_artifacts(ROOTS[RUN] + "/arts", tracking_uri=tracking_uri)
        assert [f.path for f in found] == ["arts/1.txt", "arts/empty", "arts/s"]
        local = mlflow.artifacts.download_artifacts(
            ROOTS[RUN] + "/arts", dst_path=str(down), tracking_uri=tracking_uri
        )
        for name in ("1.txt", "empty", "s/a b+é.bin", "s/t/2.txt"):
            assert (Path(local) / name).read_bytes() == (local_files / name).read_bytes()
        with pytest.raises(MlflowException, match="No such artifact"):
            repository.download_artifacts("no/such.txt", str(down))
        repository.delete_artifacts("arts/s")
        assert [f.path for f in repository.list_artifacts("arts")] == ["arts/1.txt", "arts/empty"]
        repository.delete_artifacts()
        assert repository.list_artifacts() == []

    async def test_parts_and_ranges_go_straight_to_the_store(
        self, http, root, local_files, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
        monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1")
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * 2**20))
        await asyncio.to_thread(self.use_multipart, str(http.make_url("")).rstrip("/"), local_files, tmp_path)
        assert stored(root) == [f"0/{RUN}/artifacts/1.txt"]
        assert http.app[REFUSED] == []
        assert await carried(http) == 0

    def use_multipart(self, tracking_uri, local_files, down):
        repository = self.repository(tracking_uri)
        repository.log_artifact(str(local_files / "1.txt"))
        assert Path(repository.download_artifacts("1.txt", str(down))).read_bytes() == b"one"
