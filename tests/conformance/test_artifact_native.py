"""tracklog's own artifact endpoints over the local store: what a client in any language may expect."""

import hashlib
import io
import os
import time

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from tests.support.artifact_app import LEDGER, MODEL, RUN, STORE, Server, application, refusal, stored
from tests.support.memory_ledger import MemoryLedger
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.settle import Settler

NATIVE = "/api/tracklog/v1/artifacts"
MIB = 2**20
PART = 16 * MIB
ROOT = ("0", RUN, "artifacts")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
async def http(root):
    async with TestClient(Server(application(root))) as client:
        yield client
        carried = await (await client.get(f"{NATIVE}/carried")).json()
        assert carried == {"carried_bytes": 0}


def described(path, data):
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


async def ask(http, what, **fields):
    owner = {} if fields.keys() & {"run_id", "model_id"} else {"run_id": RUN}
    answer = await http.post(f"{NATIVE}/{what}", json={**owner, **fields})
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def plan(http, *files, **owner):
    return (await ask(http, "uploads", files=list(files), **owner))["files"]


async def complete(http, *files, **owner):
    return (await ask(http, "complete", files=list(files), **owner))["files"]


async def send(http, signed, data):
    """The answer to the bytes at a signed URL."""
    # A stream, for aiohttp warns of large bodies.
    return await http.session.put(
        URL(signed["url"], encoded=True), data=io.BytesIO(data), headers=signed["headers"]
    )


async def put(http, signed, data):
    answer = await send(http, signed, data)
    assert answer.status == 200, await answer.text()
    return answer.headers["ETag"]


async def upload(http, path, data, **owner):
    """A small file, with all that is said about it."""
    file = described(path, data)
    (planned,) = await plan(http, file, **owner)
    assert planned["state"] == "single"
    await put(http, planned, data)
    assert await complete(http, file, **owner) == [{"state": "stored", "path": path}]


async def send_parts(http, planned, data, numbers):
    """Those parts of a file; what is to be told of them."""
    size = planned["part_size"]
    asked = {"path": planned["path"], "upload_id": planned["upload_id"], "numbers": list(numbers)}
    signed = (await ask(http, "parts", **asked))["parts"]
    assert [part["number"] for part in signed] == list(numbers)
    return [
        {"number": p["number"], "etag": await put(http, p, data[(p["number"] - 1) * size :][:size])}
        for p in signed
    ]


async def test_files_come_in_and_out_by_signed_urls(http, root):
    data = {"a.txt": b"one", "d/empty": b"", "d/größe 1%.bin": os.urandom(100_000)}
    files = [described(path, content) for path, content in data.items()]
    for planned in await plan(http, *files):
        await put(http, planned, data[planned["path"]])
    assert await complete(http, *files) == [{"state": "stored", "path": path} for path in data]
    found = (await ask(http, "downloads", paths=[*data, "no"]))["files"]
    assert [file["sha256"] for file in found[:-1]] == [file["sha256"] for file in files]
    for file in found[:-1]:
        answer = await http.session.get(URL(file["url"], encoded=True), headers=file["headers"])
        assert await answer.read() == data[file["path"]]
        assert answer.headers["ETag"].strip('"') == file["etag"]
    assert found[-1]["state"] == "refused"
    assert found[-1]["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    listed = [{"path": f["path"], "is_dir": False, "size": f["size"], "sha256": f["sha256"]} for f in files]
    assert (await ask(http, "list", recursive=True)) == {"files": listed, "next_page_token": ""}
    assert (await ask(http, "list"))["files"] == [
        listed[0],
        {"path": "d", "is_dir": True, "size": 0, "sha256": ""},
    ]
    assert (await ask(http, "list", path="d"))["files"] == listed[1:]
    assert await ask(http, "delete", paths=["d"]) == {}
    assert (await ask(http, "list", recursive=True))["files"] == listed[:1]
    assert stored(root) == [f"0/{RUN}/artifacts/a.txt"]


async def test_a_file_that_is_there_is_not_sent_again(http):
    await upload(http, "f", b"same")
    assert await plan(http, described("f", b"same")) == [{"state": "stored", "path": "f"}]
    (other,) = await plan(http, described("f", b"else"))
    assert other["state"] == "single"
    await put(http, other, b"else")
    assert await complete(http, described("f", b"else")) == [{"state": "stored", "path": "f"}]
    assert (await ask(http, "downloads", paths=["f"]))["files"][0]["sha256"] == described("f", b"else")[
        "sha256"
    ]


async def test_a_model_has_files_of_its_own(http, root):
    await upload(http, "MLmodel", b"flavors: {}", model_id=MODEL)
    assert stored(root) == [f"0/models/{MODEL}/artifacts/MLmodel"]
    assert (await ask(http, "list"))["files"] == []


async def test_a_large_file_comes_in_parts_and_goes_on_where_it_stopped(http, root):
    data = os.urandom(2 * PART + 5)
    file = described("big.bin", data)
    (planned,) = await plan(http, file)
    assert (planned["state"], planned["part_size"], planned["parts"]) == ("multipart", PART, [])
    third, first = await send_parts(http, planned, data, [3, 1])
    # As after a crash: nothing of what was answered is known any more.
    (again,) = await plan(http, file)
    assert again["upload_id"] == planned["upload_id"]
    assert [(part["number"], part["size"]) for part in again["parts"]] == [(1, PART), (3, 5)]
    assert [part["etag"].strip('"') for part in again["parts"]] == [
        first["etag"].strip('"'),
        third["etag"].strip('"'),
    ]
    (second,) = await send_parts(http, again, data, [2])
    done = {**file, "upload_id": again["upload_id"], "parts": [first, second, third]}
    for _ in range(2):
        # Completed again by a client that did not hear the first answer, it is there all the same.
        assert await complete(http, done) == [{"state": "stored", "path": "big.bin"}]
    (found,) = (await ask(http, "downloads", paths=["big.bin"]))["files"]
    answer = await http.session.get(
        URL(found["url"], encoded=True), headers={"Range": f"bytes={PART - 2}-{PART + 1}"}
    )
    assert (answer.status, await answer.read()) == (206, data[PART - 2 : PART + 2])
    assert hashlib.sha256((root / f"0/{RUN}/artifacts/big.bin").read_bytes()).hexdigest() == file["sha256"]
    assert http.app[LEDGER].promised == []
    assert [upload async for upload in http.app[STORE].uploads()] == []


async def test_an_upload_is_completed_of_the_parts_that_are_there(http):
    data = bytes(PART + 1)
    file = described("f", data)
    (planned,) = await plan(http, file)
    await send_parts(http, planned, data, [1, 2])
    assert await complete(http, {**file, "upload_id": planned["upload_id"]}) == [
        {"state": "stored", "path": "f"}
    ]


async def test_what_died_between_the_store_and_the_log_is_recorded_when_asked_again(http, monkeypatch):
    data = bytes(PART + 1)
    file = described("f", data)
    (planned,) = await plan(http, file)
    parts = await send_parts(http, planned, data, [1, 2])
    etags = [(part["number"], part["etag"]) for part in parts]
    await http.app[STORE].complete_multipart((*ROOT, "f"), planned["upload_id"], etags)
    done = {**file, "upload_id": planned["upload_id"], "parts": parts}
    assert await complete(http, done) == [{"state": "stored", "path": "f"}]
    assert http.app[LEDGER].recorded[(*ROOT, "f")].sha256 == file["sha256"]


async def test_nothing_is_believed_that_is_not_in_the_store(http):
    await upload(http, "old", b"before")
    big = described("big", bytes(PART))
    (planned,) = await plan(http, big)
    refused = await complete(
        http,
        described("never", b"sent"),
        described("old", b"beyond"),
        described("old2", b"x"),
        {**big, "upload_id": planned["upload_id"], "parts": [{"number": 1, "etag": "0" * 32}]},
        {**described("other", bytes(PART)), "upload_id": planned["upload_id"]},
        described("../up", b"x"),
    )
    assert [answer["state"] for answer in refused] == ["refused"] * 6
    assert [answer["error_code"] for answer in refused] == [
        "RESOURCE_DOES_NOT_EXIST",
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
        "INVALID_PARAMETER_VALUE",
    ]
    assert set(http.app[LEDGER].recorded) == {(*ROOT, "old")}


@pytest.mark.parametrize("data", [b"longer than told", b"shor", b"other"])
async def test_a_url_takes_only_the_bytes_that_it_was_signed_for(http, root, data):
    (planned,) = await plan(http, described("f", b"right"))
    answer = await send(http, planned, data)
    assert answer.status in (400, 403)
    assert stored(root) == []


async def test_a_part_has_the_size_that_it_was_signed_for(http):
    (planned,) = await plan(http, described("f", bytes(PART + 5)))
    asked = {"path": "f", "upload_id": planned["upload_id"]}
    first, last = (await ask(http, "parts", **asked, numbers=[1, 2]))["parts"]
    for part, size in ((first, PART - 1), (last, 6)):
        answer = await send(http, part, bytes(size))
        assert answer.status in (400, 403)
    answer = await http.post(f"{NATIVE}/parts", json={"run_id": RUN, **asked, "numbers": [3]})
    assert (await refusal(answer))[:2] == (400, "INVALID_PARAMETER_VALUE")


async def test_an_upload_is_good_for_its_own_file_only(http):
    (planned,) = await plan(http, described("f", bytes(PART)))
    for owner, path in (({"run_id": RUN}, "g"), ({"model_id": MODEL}, "f")):
        fields = {**owner, "path": path, "upload_id": planned["upload_id"], "numbers": [1]}
        assert (await refusal(await http.post(f"{NATIVE}/parts", json=fields)))[0] == 404


async def test_a_quota_refuses_before_anything_is_sent(root):
    async with TestClient(Server(application(root, ledger=MemoryLedger(bytes_max=PART)))) as http:
        await upload(http, "kept", b"here")
        answers = await plan(
            http, described("kept", b"here"), described("a", bytes(PART)), described("b", b"x")
        )
        assert [answer["state"] for answer in answers] == ["stored", "refused", "refused"]
        assert answers[1]["error_code"] == "RESOURCE_LIMIT_EXCEEDED"
        assert [upload async for upload in http.app[STORE].uploads()] == []


async def test_a_listing_has_pages(http, monkeypatch):
    names = [f"{number}" for number in range(5)]
    for name in names:
        await upload(http, f"d/{name}", b"x")
    monkeypatch.setattr("tracklog_artifacts.native_wire.LIST_PAGE_MAX", 2)
    for fields in ({"path": "d"}, {"recursive": True}):
        seen, token = [], ""
        while True:
            page = await ask(http, "list", **fields, page_token=token)
            seen += [file["path"] for file in page["files"]]
            assert len(page["files"]) <= 2
            if not (token := page["next_page_token"]):
                break
        assert seen == [f"d/{name}" for name in names]


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("uploads", {"files": []}),
        ("uploads", {"files": [described(str(n), b"") for n in range(1001)]}),
        ("uploads", {"files": [{"path": "f", "size": -1, "sha256": "0" * 64}]}),
        ("uploads", {"files": [{"path": "f", "size": 5 * 2**40 + 1, "sha256": "0" * 64}]}),
        ("uploads", {"files": [{"path": "f", "size": 1, "sha256": "0" * 63}]}),
        ("uploads", {"files": [{"path": "f", "size": 1, "sha256": "A" * 64}]}),
        ("uploads", {"files": [{"path": "f", "size": "1", "sha256": "0" * 64}]}),
        ("uploads", {"files": [described("f", b"")] * 2}),
        ("uploads", {"files": [described("f", b"")], "model_id": MODEL}),
        ("uploads", {"files": [described("f", b"")], "run_id": ""}),
        ("uploads", {}),
        ("uploads", []),
        ("parts", {"path": "f", "upload_id": "x", "numbers": [0]}),
        ("parts", {"path": "f", "upload_id": "x", "numbers": [10_001]}),
        ("parts", {"path": "f", "upload_id": "x" * 3000, "numbers": [1]}),
        ("complete", {"files": [{**described("f", b""), "upload_id": "x", "parts": [{"number": 1}]}]}),
        ("downloads", {"paths": [""] * 1001}),
        ("downloads", {"paths": "f"}),
        ("list", {"page_token": "%"}),
        ("list", {"path": 5}),
        ("delete", {"paths": [""]}),
        ("delete", {"paths": ["f", "../f"]}),
    ],
)
async def test_a_malformed_request_is_refused_whole(http, what, fields):
    fields = {"run_id": RUN, **fields} if isinstance(fields, dict) else fields
    answer = await http.post(f"{NATIVE}/{what}", json=fields)
    status, code, message = await refusal(answer)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert 0 < len(message) < 2000
    assert http.app[LEDGER].recorded == {}


async def test_an_unknown_run_is_not_found(http):
    for what, fields in (
        ("uploads", {"files": [described("f", b"")]}),
        ("list", {}),
        ("delete", {"paths": ["f"]}),
    ):
        answer = await http.post(f"{NATIVE}/{what}", json={"run_id": "0" * 32, **fields})
        assert (await refusal(answer))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_an_upload_that_was_never_completed_is_found_by_whoever_reads(http):
    data = b"alone"
    (planned,) = await plan(http, described("f", data))
    assert (await ask(http, "list"))["files"] == []
    await put(http, planned, data)
    assert (await ask(http, "list"))["files"] == [{"is_dir": False, **described("f", data)}]
    assert http.app[LEDGER].promised == []


async def test_uploads_that_never_came_are_forgotten(http):
    await plan(http, described("small", b"x"), described("large", bytes(PART)))
    ledger, store, config = http.app[LEDGER], http.app[STORE], ArtifactConfig()
    for later_s, left in ((0, 2), (config.upload_expires_s + 1, 1), (config.multipart_expires_s + 1, 0)):
        settler = Settler(store, ledger, config, clock=lambda later_s=later_s: time.time() + later_s)
        assert await settler.sweep(None) is None
        assert len(ledger.promised) == left
        assert len([upload async for upload in store.uploads()]) == min(left, 1)


async def test_the_background_task_goes_round_by_pieces(http):
    ledger = http.app[LEDGER]
    config = ArtifactConfig(settle_uploads_max=2)
    settler = Settler(http.app[STORE], ledger, config)
    files = [described(str(number), b"x") for number in range(3)]
    for planned in await plan(http, *files):
        await put(http, planned, b"x")
    assert await settler.sweep(None) == (*ROOT, "1")
    assert sorted(path[-1] for path in ledger.recorded) == ["0", "1"]
    assert await settler.sweep((*ROOT, "1")) is None
    assert len(ledger.recorded) == 3
