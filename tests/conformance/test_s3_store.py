"""The contract of artifact stores on a real S3 server, Swift, and what S3 stores promise beyond it."""

import asyncio
import contextlib
import datetime as dt
import itertools
import os
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import boto3
import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer
from botocore.credentials import RefreshableCredentials

from tests.conformance.store_contract import Sender, SignedContract, pieces, read, sha256_of
from tests.support.s3 import S3Server
from tests.support.swift import STORAGE_DOMAIN
from tracklog_artifacts.s3 import S3Store
from tracklog_artifacts.s3_calls import S3Calls
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.s3_sign import SigningKeys
from tracklog_artifacts.store import Entry, Misconfigured
from tracklog_contract.errors import Rejected, Unavailable
from tracklog_server import make_bucket
from tracklog_server.make_bucket import make_ready

numbers = itertools.count()


class Loopback(AbstractResolver):
    """Finds every name on this machine."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}
        ]

    async def close(self):
        pass


class S3Contract(SignedContract):
    """A store on an S3 server: subclasses give `server`."""

    payload_hash = False

    @pytest.fixture
    def config(self, server):
        return S3Config(
            server.bucket,
            prefix=f"pre fix/é{next(numbers)}",
            endpoint=server.endpoint,
            region=server.region,
            path_style=True,
            payload_hash=self.payload_hash,
        )

    @pytest.fixture
    def store(self, server, config):
        return S3Store(config, session=server.session)

    @pytest.fixture
    def again(self, server, config):
        return S3Store(config, session=server.session, page_keys=1)

    @pytest.fixture
    async def send(self):
        async with ClientSession() as session:
            yield Sender(session)

    @pytest.fixture
    def yesterday(self, monkeypatch):
        @contextlib.contextmanager
        def yesterday():
            with monkeypatch.context() as patch:
                then = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
                patch.setattr("botocore.auth.get_current_datetime", lambda: then)
                yield

        return yesterday

    async def test_a_long_write_goes_in_parts(self, store):
        content = os.urandom(2 * store.part_bytes_min + 1)
        chunks = (content[at : at + 300_000] for at in range(0, len(content), 300_000))
        told = await store.write(("f",), pieces(*chunks), sha256=sha256_of(content))
        seen = await store.stat(("f",))
        assert (seen.size_bytes, seen.etag) == (told.size_bytes, told.etag) == (len(content), told.etag)
        assert seen.etag.endswith("-2")
        assert sha256_of(await read(store, ("f",))) == sha256_of(content)

    async def test_a_long_write_that_fails_leaves_no_parts(self, store):
        class HungUpError(Exception):
            pass

        async def broken():
            yield bytes(store.part_bytes_min)
            yield bytes(store.part_bytes_min)
            raise HungUpError

        async def stuck():
            yield bytes(store.part_bytes_min)
            await asyncio.Event().wait()

        with pytest.raises(HungUpError):
            await store.write(("f",), broken())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await store.write(("f",), stuck())
        with pytest.raises(Rejected, match="SHA-256"):
            await store.write(("f",), pieces(bytes(store.part_bytes_min), b"x"), sha256="0" * 64)
        assert [upload async for upload in store.uploads()] == []
        assert await store.entries(()) == []

    async def test_listings_are_paged(self, store, server, config):
        paths = [("d", f"{number:02}") for number in range(7)] + [("e", "f", f"{n}") for n in range(4)]
        await asyncio.gather(*(store.write(path, pieces(b"x")) for path in paths))
        paged = S3Store(config, session=server.session, page_keys=2)
        assert [entry.name for entry in await paged.entries(("d",))] == [path[-1] for path in paths[:7]]
        assert await paged.entries(()) == [Entry("d", None), Entry("e", None)]
        assert [path async for path, _ in paged.walk()] == paths
        await paged.delete(("e",))
        assert [path async for path, _ in store.walk()] == paths[:7]

    async def test_what_others_put_there_does_no_harm(self, store, config, server):
        for name in ("/d/", "/d//f", "/d/../f", "/a#b", "no/prefix"):
            server.client.put_object(Bucket=config.bucket, Key=config.prefix + name, Body=b"x")
        await store.write(("d", "f"), pieces(b"ours"))
        assert await store.entries(("d",)) == [Entry("f", 4)]
        assert await store.entries(()) == [Entry("d", None)]
        assert [path async for path, _ in store.walk()] == [("d", "f")]

    async def test_a_path_too_long_is_refused(self, store):
        with pytest.raises(Rejected, match="1024 bytes"):
            await store.write(("d" * 255,) * 4, pieces(b"x"))

    async def test_errors_say_what_to_check(self, server, config):
        wrong = boto3.session.Session(server.access_key, "not-the-secret", region_name=server.region)
        for other, session, text in (
            (config, wrong, r"refuses the server \(SignatureDoesNotMatch\): check its credentials"),
            (replace(config, bucket="other"), server.session, "no such bucket: create it"),
        ):
            store = S3Store(other, session=session)
            for attempt in (store.check(), store.entries(()), store.write(("f",), pieces(b"x"))):
                with pytest.raises(Misconfigured, match=text) as refusal:
                    await attempt
                assert "not-the-secret" not in refusal.value.message


async def test_a_server_that_is_none_of_s3_is_told():
    """Whatever answers 404 to a listing, as most web servers do."""
    session = boto3.session.Session("key", "not-the-secret")
    async with TestServer(web.Application()) as server:
        config = S3Config("bucket", endpoint=str(server.make_url("")).rstrip("/"), path_style=True)
        with pytest.raises(Misconfigured, match="does not answer as an S3 server does: check --artifact-en"):
            await S3Store(config, session=session).check()


class TestSwift(S3Contract):
    @pytest.fixture
    def server(self, swift):
        return swift

    async def test_a_put_is_bound_to_its_bytes_by_either_header(self, server, config, send):
        content, sha256 = b"hello", sha256_of(b"hello")
        for payload_hash in (False, True):
            store = S3Store(replace(config, payload_hash=payload_hash), session=server.session)
            signed = store.sign_put(("f",), expires_s=60, size_bytes=5, sha256=sha256)
            assert ("x-amz-content-sha256" in signed.headers) == payload_hash
            assert (await send(signed, b"hallo")).status == 400
            assert (await send(signed, content)).status == 200

    async def test_a_bucket_in_the_host_name(self, store, server, config):
        await store.write(("d", "f"), pieces(b"hello"))
        endpoint = server.endpoint.replace("127.0.0.1", STORAGE_DOMAIN)
        virtual = S3Store(replace(config, endpoint=endpoint, path_style=False), session=server.session)
        url = virtual.sign_get(("d", "f"), expires_s=60).url
        assert url.startswith(f"http://{config.bucket}.{STORAGE_DOMAIN}:")
        async with ClientSession(connector=TCPConnector(resolver=Loopback())) as session:
            send = Sender(session)
            assert (await send(virtual.sign_get(("d", "f"), expires_s=60))).body == b"hello"
            assert (await send(virtual.sign_put(("d", "g"), expires_s=60, size_bytes=1), b"x")).status == 200
        assert await store.entries(("d",)) == [Entry("f", 5), Entry("g", 1)]

    async def test_a_slow_store_holds_its_writer_up(self, store, monkeypatch):
        going_on, pulled_bytes = threading.Event(), 0
        put = store._client.upload_part

        def slow(**parameters):
            assert going_on.wait(20)
            return put(**parameters)

        async def chunks():
            nonlocal pulled_bytes
            for _ in range(24):
                pulled_bytes += 2**20
                yield bytes(2**20)

        monkeypatch.setattr(store._client, "upload_part", slow)
        writing = asyncio.create_task(store.write(("f",), chunks()))
        await asyncio.wait({writing}, timeout=0.5)
        # One part is being sent, and one waits for it.
        assert pulled_bytes == 2 * store.part_bytes_min
        going_on.set()
        assert (await writing).size_bytes == 24 * 2**20

    async def test_a_bucket_is_made_once(self, server, config):
        place = replace(config, bucket="made")
        calls = S3Calls(place, server.session)
        for _ in range(2):
            make_ready(calls, place, ())
            await S3Store(place, session=server.session).check()


class TestUnreachable:
    """Without a server: what needs none, and what is said when there is none."""

    @pytest.fixture
    def config(self, monkeypatch):
        server = S3Server("http://127.0.0.1:1", "key", "very-secret")
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_REGION", raising=False)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        return S3Config("bucket", endpoint=server.endpoint, path_style=True)

    def test_signing_needs_no_network(self, config, monkeypatch):
        def refuse(*_):
            raise AssertionError

        monkeypatch.setattr(socket.socket, "connect", refuse)
        store = S3Store(config)
        for number in range(100):
            path = ("1", "run", "artifacts", f"{number}.bin")
            urls = [
                store.sign_get(path, expires_s=60).url,
                store.sign_put(path, expires_s=60, size_bytes=1, sha256="0" * 64).url,
                store.sign_part(path, "id", 1, expires_s=60, size_bytes=1).url,
            ]
            assert all(
                url.startswith(f"http://127.0.0.1:1/bucket/1/run/artifacts/{number}.bin?") for url in urls
            )
            assert not any("very-secret" in url for url in urls)

    async def test_no_answer_says_what_to_check(self, config):
        with pytest.raises(Unavailable, match="gave no answer") as e:
            await S3Store(config).check()
        assert "check that it runs, and --artifact-endpoint" in e.value.message
        assert "very-secret" not in e.value.message

    def test_making_a_bucket_waits_for_its_store_and_says_what_is_wrong(self, config, monkeypatch, capsys):
        tries = []
        monkeypatch.setattr(
            make_bucket, "time", SimpleNamespace(monotonic=iter([0, 30, 61]).__next__, sleep=tries.append)
        )
        monkeypatch.setenv("TRACKLOG_ARTIFACT_ROOT", "s3://bucket")
        monkeypatch.setenv("TRACKLOG_ARTIFACT_ENDPOINT", config.endpoint)
        assert make_bucket.main([]) == 1
        assert tries == [make_bucket.PAUSE_S]
        assert "gave no answer" in capsys.readouterr().err
        monkeypatch.setenv("TRACKLOG_ARTIFACT_ROOT", "/srv/artifacts")
        assert make_bucket.main([]) == 1

    def test_no_credentials_say_so(self, config, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(Misconfigured, match="no credentials for the artifact store s3://bucket"):
            S3Store(config)

    @pytest.mark.parametrize(
        ("changes", "start"),
        [
            ({"public_endpoint": "https://files.example"}, "https://files.example/bucket/f?"),
            ({"endpoint": "https://s3.example", "path_style": False}, "https://bucket.s3.example/f?"),
            ({"endpoint": "", "path_style": False}, "https://bucket.s3.amazonaws.com/f?"),
            ({"endpoint": "", "region": "eu-west-3"}, "https://s3.eu-west-3.amazonaws.com/bucket/f?"),
        ],
    )
    def test_urls_lead_to_where_clients_reach_the_bucket(self, config, changes, start):
        assert S3Store(replace(config, **changes)).sign_get(("f",), expires_s=60).url.startswith(start)

    def test_encryption_is_bound_in(self, config):
        for encryption, headers in (
            ("AES256", {"x-amz-server-side-encryption": "AES256"}),
            ("aws:kms", {"x-amz-server-side-encryption": "aws:kms"}),
            (
                "aws:kms:arn:aws:kms:x:1:key/2",
                {
                    "x-amz-server-side-encryption": "aws:kms",
                    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:x:1:key/2",
                },
            ),
        ):
            store = S3Store(replace(config, encryption=encryption))
            signed = store.sign_put(("f",), expires_s=60, size_bytes=1)
            assert signed.headers == headers
            names = parse_qs(signed.url.partition("?")[2])["X-Amz-SignedHeaders"]
            assert names == [";".join(sorted(["content-length", "host", *headers]))]

    def test_temporary_credentials_are_renewed_beside(self, monkeypatch):
        monkeypatch.setattr("tracklog_artifacts.s3_sign.RENEWAL_EVERY_S", 0.01)
        renewals = itertools.count(1)

        def issue():
            # With so little time left, botocore goes for new ones whenever it is asked.
            until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
            number = next(renewals)
            return {
                "access_key": f"key{number}",
                "secret_key": "s",
                "token": "t",
                "expiry_time": until.isoformat(),
            }

        source = RefreshableCredentials.create_from_metadata(issue(), refresh_using=issue, method="test")
        keys = SigningKeys(source)
        seen = {keys.now.access_key}
        deadline = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < deadline:
            seen.add(keys.now.access_key)
        assert len(seen) == 3
