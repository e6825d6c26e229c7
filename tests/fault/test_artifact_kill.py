"""SIGKILL of client, server and store in the middle of uploads: they go on, and no part is paid for twice."""

import asyncio
import contextlib
import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

import tracklog
from tests.support.api import Api
from tests.support.forwarder import Forwarder, forwarding
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
    """A server and its store, what is between clients and the store, and how the store is killed."""

    service: Service
    store: ArtifactStore
    forwarder: Forwarder
    url: str
    kill_store: Callable[[random.Random], object]
    victims: tuple[str, ...]


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

        victims = ("client", "server", "store")
        yield Scene(service, store, forwarder, forwarder.url, kill_store, victims)


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
        root = ("--artifact-root", f"s3://{bucket}/killed", "--artifact-endpoint", endpoint)
        service = Service(
            directory, 1, *root, "--artifact-public-endpoint", forwarder.url, environment=dict(os.environ)
        )
        stack.callback(lambda: end(service.server))
        store = open_store(S3Config(bucket, "killed", endpoint, path_style=True))

        def kill_store(_: random.Random) -> None:
            swift.kill()
            swift.start()

        victims = ("store", "client", "server")
        yield Scene(service, store, forwarder, service.server.url, kill_store, victims)


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


async def parts_there(store: ArtifactStore) -> int:
    """How many parts of the one upload that is under way have arrived."""
    there = await uploads(store)
    return len(await store.parts(*there[0])) if there else 0


async def test_uploads_go_on_after_every_kill(scene: Scene, spool: Path, tmp_path: Path):
    chance = random.Random(seed("artifact_kill"))
    with Api(scene.service.server.url) as api:
        run_id = api.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    with tracklog.resume(run_id, scene.url) as run:
        sums = {}
        for number in range(KILLS):
            victim = scene.victims[number % len(scene.victims)]
            data = chance.randbytes(PARTS * PART_BYTES - number)
            name = f"{number} {victim}"
            sums[name] = hashlib.sha256(data).hexdigest()
            scene.forwarder.bytes_per_s = SLOW_BYTES_PER_S
            run.log_file(data, name)
            # So late that to begin again would take more than all that is on its way.
            wanted = chance.randrange(PARTS * 2 // 3, PARTS)
            while (there := await parts_there(scene.store)) < wanted:
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
    assert await uploads(scene.store) == []
    assert sorted([path[-1] async for path, _ in scene.store.walk()]) == sorted(sums)
