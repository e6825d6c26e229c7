"""Small files that come many in one request, to a store that is the server's own."""

import hashlib
import io
import os
from unittest import mock

import msgpack
import pytest
from aiohttp.test_utils import TestClient

from tests.support.artifact_app import LEDGER, RESERVED_RUN, RUN, STORE, Server, application, refusal, stored
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.memory_ledger import MemoryLedger
from tracklog_artifacts import native_wire as wire
from tracklog_artifacts.config import ArtifactConfig
from tracklog_contract.errors import QUOTA, Rejected, Unavailable

NATIVE = "/api/tracklog/v1/artifacts"
MSGPACK = {"Content-Type": "application/msgpack"}
FOLDER = f"0/{RUN}/artifacts"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
async def http(root):
    async with TestClient(Server(application(root))) as client:
        yield client
        carried = await (await client.get(f"{NATIVE}/carried")).json()
        assert carried == {"carried_bytes": 0}


def packed(path, data, sha256=None):
    return {"path": path, "sha256": sha256 or hashlib.sha256(data).hexdigest(), "data": data}


async def post(http, *files, **owner):
    body = msgpack.packb({**(owner or {"run_id": RUN}), "files": list(files)})
    return await http.post(f"{NATIVE}/bundle", data=body, headers=MSGPACK)


async def bundle(http, *files, **owner):
    answer = await post(http, *files, **owner)
    assert answer.status == 200, await answer.text()
    return (await answer.json())["files"]


async def plan(http, *files, **fields):
    told = [{"path": f["path"], "size": len(f["data"]), "sha256": f["sha256"]} for f in files]
    body = {"run_id": RUN, "files": told, "bundle": True, **fields}
    return (await (await http.post(f"{NATIVE}/uploads", json=body)).json())["files"]


async def listed(http):
    body = {"run_id": RUN, "recursive": True}
    answer = await (await http.post(f"{NATIVE}/list", json=body)).json()
    return {file["path"]: (file["size"], file["sha256"]) for file in answer["files"]}


async def test_many_files_come_at_once_and_are_there_when_it_is_answered(http, root):
    files = [packed(f"d{n % 3}/{n}.bin", os.urandom(n * 10)) for n in range(300)]
    assert {p["state"] for p in await plan(http, *files)} == {"bundled"}
    assert await bundle(http, *files) == [{"state": "stored", "path": file["path"]} for file in files]
    assert await listed(http) == {f["path"]: (len(f["data"]), f["sha256"]) for f in files}
    for file in files:
        assert (root / FOLDER / file["path"]).read_bytes() == file["data"]
    assert http.app[LEDGER].promised == []
    # Nothing is asked for again that is there, and a bundle that is sent again changes nothing.
    assert {p["state"] for p in await plan(http, *files)} == {"stored"}
    assert {p["state"] for p in await bundle(http, *files[:3])} == {"stored"}
    assert len(stored(root)) == 300


async def test_only_who_can_send_bundles_is_asked_for_them_and_only_for_small_files(http):
    small, large = packed("s", b"s" * wire.SMALL_BYTES_MAX), packed("l", b"l" * (wire.SMALL_BYTES_MAX + 1))
    assert [p["state"] for p in await plan(http, small, large)] == ["bundled", "single"]
    assert [p["state"] for p in await plan(http, small, large, bundle=False)] == ["single", "single"]


async def test_a_file_that_is_refused_says_nothing_of_the_others(http, root):
    await bundle(http, packed("file", b"x"), packed("folder/in", b"x"))
    answers = await bundle(
        http,
        packed("good", b"1"),
        packed("wrong", b"2", sha256="0" * 64),
        packed("file/below", b"3"),
        packed("folder", b"4"),
        packed("n" * 300, b"5"),
        packed("../out", b"6"),
        packed("also/good", b"7"),
    )
    assert [answer["state"] for answer in answers] == ["stored", *["refused"] * 5, "stored"]
    assert {answer.get("error_code") for answer in answers[1:-1]} == {"INVALID_PARAMETER_VALUE"}
    assert "SHA-256" in answers[1]["message"]
    assert set(await listed(http)) == {"file", "folder/in", "good", "also/good"}
    assert stored(root) == sorted(f"{FOLDER}/{name}" for name in await listed(http))
    assert http.app[LEDGER].promised == []


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS)
async def test_hostile_paths_are_refused(http, root, hostile):
    answer = await post(http, packed(hostile, b"evil"))
    if answer.status == 200:
        (told,) = (await answer.json())["files"]
        assert (told["state"], told["error_code"]) == ("refused", "INVALID_PARAMETER_VALUE")
    else:
        assert answer.status == 400
    (told,) = await bundle(http, packed("key", b"evil"), run_id=RESERVED_RUN)
    assert told["state"] == "refused"
    assert stored(root) == []
    assert sorted(item.name for item in root.parent.iterdir()) == ["store"]


async def test_what_is_no_bundle_is_refused_whole(http, root):
    ok = packed("a", b"a")
    for body in (
        b"",
        b"\xc1",
        msgpack.packb([]),
        msgpack.packb({"run_id": RUN}),
        msgpack.packb({"run_id": RUN, "files": []}),
        msgpack.packb({"run_id": RUN, "files": [{**ok, "data": "text"}]}),
        msgpack.packb({"run_id": RUN, "files": [{**ok, "sha256": "A" * 64}]}),
        msgpack.packb({"run_id": RUN, "files": [ok, ok]}),
        msgpack.packb({"run_id": RUN, "files": [packed("b", bytes(wire.SMALL_BYTES_MAX + 1))]}),
        msgpack.packb({"run_id": RUN, "files": [packed(str(n), b"") for n in range(1001)]}),
        msgpack.packb({"run_id": RUN, "files": [packed(str(n), bytes(65_000)) for n in range(70)]}),
        msgpack.packb({"files": [ok]}),
    ):
        answer = await http.post(f"{NATIVE}/bundle", data=io.BytesIO(body), headers=MSGPACK)
        assert answer.status == 400, (body[:100], await answer.text())
        assert (await refusal(answer))[1] == "INVALID_PARAMETER_VALUE"
    answer = await http.post(f"{NATIVE}/bundle", json={"run_id": RUN, "files": []})
    assert answer.status == 415
    answer = await post(http, ok, run_id="f" * 31 + "0")
    assert (await refusal(answer))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert stored(root) == []


async def test_too_many_bytes_at_once_hear_busy(root):
    async with TestClient(Server(application(root, ArtifactConfig(bundle_bytes_max=1000)))) as http:
        answer = await post(http, packed("a", bytes(700)))
        assert answer.status == 503
        assert await bundle(http, packed("a", bytes(300))) == [{"state": "stored", "path": "a"}]


async def test_a_quota_refuses_each_file_and_nothing_is_stored(root):
    class Full(MemoryLedger):
        async def intended(self, intents):
            raise Rejected(QUOTA, "no more")

    async with TestClient(Server(application(root, ledger=Full()))) as http:
        answers = await bundle(http, packed("a", b"a"), packed("..", b""))
        assert [answer["error_code"] for answer in answers] == [QUOTA, "INVALID_PARAMETER_VALUE"]
        assert stored(root) == []


async def test_a_kill_between_store_and_log_leaves_what_readers_find(http):
    """The log is away just when the files are in the store; their intents tell whoever reads next."""
    ledger = http.app[LEDGER]
    with mock.patch.object(ledger, "stored", side_effect=Unavailable("gone")):
        assert (await post(http, packed("a", b"1"), packed("b", b"2"))).status == 503
    assert len(ledger.promised) == 2
    assert {path: size for path, (size, _) in (await listed(http)).items()} == {"a": 1, "b": 1}
    assert ledger.promised == []


async def test_a_full_disk_stores_what_it_can_and_says_so(http):
    with mock.patch(
        "tracklog_artifacts.small_files.os.fsync", side_effect=OSError(28, "No space left on device")
    ):
        answer = await post(http, packed("a", b"1"))
    assert answer.status == 503
    assert "no space left" in (await refusal(answer))[2]
    assert await listed(http) == {}
    assert await http.app[STORE].stat(("0", RUN, "artifacts", "a")) is None
