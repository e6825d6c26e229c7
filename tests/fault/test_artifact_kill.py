"""SIGKILL of client, server and store in the middle of uploads: they go on, and no part is paid for twice.

And once `tracklog gc` has been there, the store holds what the log knows, and nothing else.
"""

import asyncio
import contextlib
import functools
import hashlib
import os
import random
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

import tracklog
from tests.support.api import Api
from tests.support.forwarder import Forwarder, forwarding
from tests.support.gc import gc
from tests.support.seed import seed
from tests.support.server import end, scratch_dir
from tests.support.service import Service
from tests.support.spools import senders
from tests.support.swift import swift_processes
from tracklog.launch import start_sender
from tracklog.spool import outbox_for
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.store import ArtifactStore
from tracklog_artifacts.stores import open_store

# For each store, one victim after the other.
KILLS = int(os.environ.get("ARTIFACT_KILLS", "2"))
PART_BYTES = 16 * 2**20
PARTS = 6
# What requests take beside the bytes of files.
SLACK_BYTES = 2 * 2**20
SLOW_BYTES_PER_S = 48 * 2**20
TIMEOUT_S = 60.0


@dataclass
class Scene:
    """A server and its store, what is between clients and the store, and how the store is killed.

    `gc` is `tracklog gc` with more options. `pieces` tells what the store holds beside files: of unfinished
    uploads, half written files; or of what a file consists of, as `FILE/UPLOAD/PART`.
    """

    service: Service
    store: ArtifactStore
    forwarder: Forwarder
    url: str
    kill_store: Callable[[random.Random], object]
    victims: tuple[str, ...]
    gc: Callable[..., str]
    pieces: Callable[[], list[str]]


@contextlib.contextmanager
def local_scene() -> Iterator[Scene]:
    """The store is a directory, which the server itself serves."""
    with scratch_dir() as directory, contextlib.ExitStack() as stack:
        service = Service(directory, 1)
        stack.callback(lambda: end(service.server))
        host = urlsplit(service.server.url)
        forwarder = stack.enter_context(forwarding((str(host.hostname), host.port or 0)))
        store = open_store(directory / "data" / "artifacts")

        def kill_store(chance: random.Random) -> None:
            service.kill("worker", chance)

        incoming = directory / "data" / "artifacts" / ".incoming"

        def pieces() -> list[str]:
            kept = {incoming / "key", incoming / "multipart"}
            return [str(path) for path in incoming.rglob("*") if path not in kept]

        victims = ("client", "server", "store")
        collect = functools.partial(gc, directory / "data")
        yield Scene(service, store, forwarder, forwarder.url, kill_store, victims, collect, pieces)


@contextlib.contextmanager
def swift_scene() -> Iterator[Scene]:
    """The store is a Swift."""
    with scratch_dir() as directory, swift_processes() as swift, contextlib.ExitStack() as stack:
        there = urlsplit(swift.server.endpoint)
        forwarder = stack.enter_context(forwarding((str(there.hostname), there.port or 0)))
        bucket, endpoint = swift.server.bucket, swift.server.endpoint
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in swift.server.environment().items():
            patch.setenv(name, value)
        place = ("--artifact-root", f"s3://{bucket}/killed", "--artifact-endpoint", endpoint)
        place = (*place, "--artifact-public-endpoint", forwarder.url)
        service = Service(directory, 1, *place, environment=dict(os.environ))
        stack.callback(lambda: end(service.server))
        store = open_store(S3Config(bucket, "killed", endpoint, path_style=True))

        def kill_store(_: random.Random) -> None:
            swift.kill()
            swift.start()

        def pieces() -> list[str]:
            # Where Swift keeps parts: those of a finished file as well, for it is a list of them.
            return [name.removeprefix("killed/") for name in swift.names(f"{bucket}+segments")]

        victims = ("store", "client", "server")
        collect = functools.partial(gc, directory / "data", *place, environment=swift.server.environment())
        url = service.server.url
        yield Scene(service, store, forwarder, url, kill_store, victims, collect, pieces)


@pytest.fixture(params=[local_scene, swift_scene], ids=["local", "swift"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with request.param() as scene:
        yield scene


def kill(scene: Scene, victim: str, spool: Path, chance: random.Random) -> None:
    """SIGKILL it, and see that it comes back."""
    if victim == "store":
        scene.kill_store(chance)
    elif victim == "server":
        scene.service.kill("parent", chance)
    else:
        killed = senders(spool)
        assert killed
        for process in killed:
            process.kill()
        psutil.wait_procs(killed, 5)
        if started := start_sender(outbox_for(spool, scene.url).for_files()):
            started.wait()
    scene.service.await_health()


async def uploads(store: ArtifactStore) -> list[tuple[tuple[str, ...], str]]:
    return [(path, upload_id) async for path, upload_id, _ in store.uploads()]


async def parts_there(store: ArtifactStore, name: str) -> int:
    """How many parts of the file that is under way have arrived."""
    under_way = [upload for upload in await uploads(store) if upload[0][-1] == name]
    return max([len(await store.parts(*upload)) for upload in under_way], default=0)


async def test_uploads_go_on_after_every_kill(scene: Scene, spool: Path, tmp_path: Path):
    chance = random.Random(seed("artifact_kill"))
    with Api(scene.service.server.url) as api:
        run_id = api.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    with tracklog.resume(run_id, scene.url) as run:
        sums, sizes = {}, {}
        for number in range(KILLS):
            victim = scene.victims[number % len(scene.victims)]
            data = chance.randbytes(PARTS * PART_BYTES - number)
            name = f"{number} {victim}"
            sums[name], sizes[name] = hashlib.sha256(data).hexdigest(), len(data)
            scene.forwarder.bytes_per_s = SLOW_BYTES_PER_S
            run.log_file(data, name)
            # So late that to begin again would take more than all that is on its way.
            wanted = chance.randrange(PARTS * 2 // 3, PARTS)
            while (there := await parts_there(scene.store, name)) < wanted:
                await asyncio.sleep(0.02)
            sent_before = scene.forwarder.sent_bytes
            kill(scene, victim, spool, chance)
            scene.forwarder.bytes_per_s = None
            assert run.flush(TIMEOUT_S), (victim, scene.service.warnings())
            sent = scene.forwarder.sent_bytes - sent_before
            # What had arrived is not sent again; what was on its way may have been sent for nothing.
            assert sent <= 2 * (PARTS - there) * PART_BYTES + SLACK_BYTES < PARTS * PART_BYTES, victim
            down = run.download(name, tmp_path)
            assert hashlib.sha256(down.read_bytes()).hexdigest() == sums[name]
            down.unlink()
        assert {file.path: file.sha256 for file in run.artifacts()} == sums
    left = await uploads(scene.store)
    print(f"{KILLS} kills left {len(left)} unfinished uploads of finished files")
    abandoned = abandon(scene.service.server.url, run_id)
    assert "\ngave up 0 unfinished multipart uploads" in scene.gc("--delete")
    assert {upload_id for _, upload_id in await uploads(scene.store)} == {
        abandoned,
        *(upload_id for _, upload_id in left),
    }
    # As one does who does not wait for anybody to come back.
    told = scene.gc("--delete", "--uploads-older-than", "0s", "--delete-orphans", "0s")
    assert "\n0 deleted files in the store that the log does not know" in told
    assert "\n0 files in the log that the store lacks" in told
    assert await uploads(scene.store) == []
    files = {"/".join(path): stat.size_bytes async for path, stat in scene.store.walk()}
    assert {path.rpartition("/")[2]: size for path, size in files.items()} == {**sizes, "small": 5}
    assert await remembered(scene.service.dsn) == (files, files, 0)
    assert strays(scene.pieces(), files) == []


def abandon(url: str, run_id: str) -> str:
    """Send a small file, and of a large one a part, and be gone; the id of the large one's upload."""
    small, part = b"small", bytes(PART_BYTES)
    whole = 2 * len(part)
    files = [
        {"path": "small", "size": len(small), "sha256": hashlib.sha256(small).hexdigest()},
        {"path": "large", "size": whole, "sha256": hashlib.sha256(2 * part).hexdigest()},
    ]
    native = "/api/tracklog/v1/artifacts"
    with Api(url) as api:
        single, large = api.post(f"{native}/uploads", {"run_id": run_id, "files": files})["files"]
        asked = {"run_id": run_id, "path": "large", "upload_id": large["upload_id"], "numbers": [1]}
        (first,) = api.post(f"{native}/parts", asked)["parts"]
    for signed, data in ((single, small), (first, part[: large["part_size"]])):
        request = urllib.request.Request(signed["url"], data, signed["headers"], method="PUT")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
    upload_id: str = large["upload_id"]
    return upload_id


async def remembered(dsn: str) -> tuple[dict[str, int], dict[str, int], int]:
    """The sizes of the files that the views and that admission knows, and how many uploads may come yet."""
    connection = await asyncpg.connect(dsn)
    try:
        views = await connection.fetch("select path, size_bytes from tracklog_view.artifact")
        admission = await connection.fetch("select path, size_bytes from tracklog_admission.artifact")
        intents = await connection.fetchval("select count(*) from tracklog_admission.upload_intent")
    finally:
        await connection.close()
    return dict(map(tuple, views)), dict(map(tuple, admission)), intents


def strays(pieces: list[str], files: dict[str, int]) -> list[str]:
    """The pieces that are no part of a file, each of which is one upload's."""
    found, upload_of = [], {}
    for piece in pieces:
        upload, _, _ = piece.rpartition("/")
        file, _, upload_id = upload.rpartition("/")
        if file not in files or upload_of.setdefault(file, upload_id) != upload_id:
            found.append(piece)
    return found
