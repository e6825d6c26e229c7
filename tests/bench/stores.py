"""What artifact stores take: the time to sign a request, and bytes a second straight to them by signed URLs.

On S3 servers boto3's own transfer manager moves the same bytes, in the same run, with as many threads.
"""

import asyncio
import contextlib
import http.client
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.bench.figures import Figure, Outcome
from tests.bench.peers import ServerName
from tests.bench.progress import say
from tests.bench.servers import fresh
from tests.bench.settings import Settings
from tests.support.ceph import missing_programs, running_ceph
from tests.support.s3 import S3Server
from tests.support.swift import running_swift
from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.s3 import S3Store
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.store import ArtifactStore, SignedRequest

PATH: Final = ("1", "0123456789abcdef0123456789abcdef", "artifacts", "checkpoints", "epoch=03.ckpt")
SIGNED: Final = 1000
PART_BYTES: Final = 16 * 2**20
THREADS: Final = 8
_READ_BYTES: Final = 2**20


@dataclass(frozen=True)
class Place:
    """A store, where its relative URLs lead to, and for an S3 server boto3's client of it."""

    name: str
    store: ArtifactStore
    origin: str = ""
    server: S3Server | None = None


def stores(name: ServerName, settings: Settings) -> Outcome:
    """The figures of every store that can be started here."""
    outcome = Outcome()
    with fresh(name, settings.base_dir) as server:
        # All processes share the store's key: what is signed here, the server answers.
        _measure(Place("local", LocalStore(server.data_dir / "artifacts"), server.url), settings, outcome)
    with running_swift() as swift:
        _measure(_bucket("Swift", swift), settings, outcome)
    if missing := missing_programs():
        say(f"Ceph is skipped: there is no {', '.join(missing)}")
    else:
        with running_ceph() as ceph:
            _measure(_bucket("Ceph", ceph), settings, outcome)
    return outcome


def _bucket(name: str, server: S3Server) -> Place:
    config = S3Config(server.bucket, "bench", server.endpoint, region=server.region, path_style=True)
    return Place(name, S3Store(config, session=server.session), server=server)


def _measure(place: Place, settings: Settings, outcome: Outcome) -> None:
    signing = Figure(f"signing an upload, {place.name}", "us", at_most=1000)
    up = Figure(f"straight up to {place.name}, signed parts", "MiB/s", "more")
    down = Figure(f"straight down from {place.name}, signed ranges", "MiB/s", "more")
    with _scratch(settings) as folder:
        source, target = folder / "source", folder / "target"
        _fill(source, 2 * PART_BYTES // 2**20)
        # A store has much to make for its first files.
        asyncio.run(_upload(place, source))
        _fill(source, settings.store_mib)
        others: dict[Figure, list[float]] = {up: [], down: []}
        for _ in range(settings.repetitions):
            outcome.add(signing, _signing_us(place.store))
            outcome.add(up, _mib_per_s(settings, lambda: asyncio.run(_upload(place, source))))
            outcome.add(down, _mib_per_s(settings, lambda: _download(place, target)))
            if place.server is not None:
                by_boto3 = _Boto3(place.server)
                others[up].append(_mib_per_s(settings, partial(by_boto3.upload, source)))
                others[down].append(_mib_per_s(settings, partial(by_boto3.download, target)))
    for figure, samples in others.items():
        if samples:
            outcome.notes[f"boto3: {figure.name}"] = samples
            outcome.remarks[figure] = f"boto3's transfer manager: {statistics.median(samples):,.0f}"
        say(f"{figure.name}: {outcome.samples[figure]} MiB/s; boto3: {samples}")


def _signing_us(store: ArtifactStore) -> float:
    started = time.perf_counter()
    for number in range(SIGNED):
        store.sign_put((*PATH[:-1], f"{number}.bin"), expires_s=900, size_bytes=10_240, sha256="ab" * 32)
    return (time.perf_counter() - started) / SIGNED * 1e6


def _fill(file: Path, mebibytes: int) -> None:
    block = os.urandom(2**20)
    with file.open("wb") as target:
        for number in range(mebibytes):
            target.write(number.to_bytes(8, "big") + block[8:])


def _mib_per_s(settings: Settings, work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return settings.store_mib / (time.perf_counter() - started)


async def _upload(place: Place, source: Path) -> None:
    """Send a file as clients do: signed parts in parallel, then complete."""
    store, size = place.store, source.stat().st_size
    upload_id = await store.create_multipart(PATH)
    starts = range(0, size, PART_BYTES)

    def put(number: int) -> tuple[int, str]:
        start = starts[number - 1]
        count = min(PART_BYTES, size - start)
        signed = store.sign_part(PATH, upload_id, number, expires_s=900, size_bytes=count)
        with source.open("rb") as file, _sent(place, signed, file, start, count) as answer:
            assert answer.status == 200, answer.read()
            return number, str(answer.headers["ETag"])

    numbers = range(1, len(starts) + 1)
    with ThreadPoolExecutor(THREADS) as threads:
        parts = await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(threads, put, number) for number in numbers)
        )
    stored = await store.complete_multipart(PATH, upload_id, parts)
    assert stored.size_bytes == size


def _download(place: Place, target: Path) -> None:
    """Fetch the file as clients do: by signed ranges in parallel, into one file."""
    stat = asyncio.run(place.store.stat(PATH))
    assert stat is not None

    def get(start: int) -> None:
        end = min(start + PART_BYTES, stat.size_bytes)
        signed = place.store.sign_get(PATH, expires_s=900)
        ranged = SignedRequest(signed.method, signed.url, {"Range": f"bytes={start}-{end - 1}"})
        with target.open("r+b") as file, _sent(place, ranged, None, 0, 0) as answer:
            assert answer.status == 206
            file.seek(start)
            while piece := answer.read(_READ_BYTES):
                file.write(piece)
            assert file.tell() == end

    target.write_bytes(b"")
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(get, range(0, stat.size_bytes, PART_BYTES)))


@contextlib.contextmanager
def _sent(
    place: Place, signed: SignedRequest, file: Any, start: int, count: int
) -> Iterator[http.client.HTTPResponse]:
    address = urlsplit(place.origin or signed.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)
    try:
        path = signed.url if place.origin else signed.url.partition(address.netloc)[2]
        connection.putrequest(signed.method, path)
        for name, value in {**signed.headers, **({"Content-Length": str(count)} if file else {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        if file:
            file.seek(start)
            while count:
                piece = file.read(min(_READ_BYTES, count))
                connection.send(piece)
                count -= len(piece)
        yield connection.getresponse()
    finally:
        connection.close()


class _Boto3:
    """boto3's transfer manager, with parts and threads like ours."""

    def __init__(self, server: S3Server) -> None:
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - half a second, for this measure only

        self._bucket, self._client = server.bucket, server.client
        self._config = TransferConfig(max_concurrency=THREADS, multipart_chunksize=PART_BYTES)

    def upload(self, source: Path) -> None:
        self._client.upload_file(str(source), self._bucket, "boto3", Config=self._config)

    def download(self, target: Path) -> None:
        self._client.download_file(self._bucket, "boto3", str(target), Config=self._config)


@contextlib.contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=settings.base_dir) as folder:
        yield Path(folder)
