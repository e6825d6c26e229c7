"""The contract of every artifact store, run on the local one, and what only the local one promises."""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tests.conformance.store_contract import Sender, SignedContract, pieces, read, read_all
from tracklog_artifacts import files
from tracklog_artifacts.incoming import CHUNK_BYTES
from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.signed_http import SignedFiles
from tracklog_artifacts.store import Entry
from tracklog_contract.errors import INVALID, Busy, Rejected, TracklogError, Unavailable


@web.middleware
async def errors_as_statuses(request, handler):
    try:
        return await handler(request)
    except TracklogError as error:
        return web.Response(status=error.status, text=error.message)


class TestLocalStore(SignedContract):
    @pytest.fixture
    def root(self, tmp_path):
        return tmp_path / "not" / "there" / "yet"

    @pytest.fixture
    def store(self, root):
        return LocalStore(root)

    @pytest.fixture
    def again(self, store, root):
        return LocalStore(root)

    @pytest.fixture
    async def send(self, store):
        application = web.Application(middlewares=[errors_as_statuses])
        for method, path, handler in SignedFiles(store).root_routes():
            application.router.add_route(method, path, handler)
        async with TestServer(application) as server, ClientSession() as session:
            yield Sender(session, str(server.make_url("")).rstrip("/"))

    @pytest.fixture
    def yesterday(self, monkeypatch):
        @contextlib.contextmanager
        def yesterday():
            with monkeypatch.context() as patch:
                now = time.time()
                patch.setattr("tracklog_artifacts.local.time.time", lambda: now - 86_400)
                yield

        return yesterday

    def incoming(self, root):
        return sorted(set(os.listdir(root / files.INCOMING)) - {files.KEY, files.MULTIPART})

    async def test_no_upload_leaves_anything_behind(self, store, root):
        async def broken():
            yield b"x" * 2 * CHUNK_BYTES
            raise ConnectionResetError

        await store.write(("f",), pieces(b"x"))
        with pytest.raises(ConnectionResetError):
            await store.write(("g",), broken())
        await store.write(("d", "f"), pieces(b"x"))
        await store.delete(("d",))
        assert self.incoming(root) == []

    async def test_the_uploads_folder_is_out_of_reach(self, store):
        assert await store.entries(()) == []
        for name in (files.INCOMING, files.INCOMING.upper()):
            for attempt in (
                store.write((name, "x"), pieces(b"x")),
                store.write((name,), pieces(b"x")),
                store.delete((name,)),
                store.entries((name,)),
                read(store, (name, "x")),
            ):
                with pytest.raises(Rejected, match="Invalid path"):
                    await attempt
        await store.write(("d", files.INCOMING), pieces(b"not the root's"))
        assert await store.entries(("d",)) == [Entry(files.INCOMING, 14)]

    async def test_symlinks_are_not_followed(self, store, root, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"secret")
        await store.write(("d", "f"), pieces(b"x"))
        (root / "d" / "link").symlink_to(outside / "secret")
        (root / "d" / "dirlink").symlink_to(outside)
        assert await store.entries(("d",)) == [Entry("f", 1)]
        assert await store.entries(("d", "dirlink")) == []
        for path in (("d", "link"), ("d", "dirlink", "secret")):
            with pytest.raises(Rejected, match="No such artifact"):
                await read(store, path)
        with pytest.raises(Rejected, match="directory"):
            await store.write(("d", "dirlink", "new"), pieces(b"x"))
        await store.write(("d", "link"), pieces(b"mine"))
        assert await read(store, ("d", "link")) == b"mine"
        await store.delete(("d", "dirlink", "secret"))
        await store.delete(("d",))
        assert [(item.name, item.read_bytes()) for item in outside.iterdir()] == [("secret", b"secret")]

    async def test_other_kinds_of_files_are_no_artifacts(self, store, root):
        await store.write(("d", "f"), pieces(b"x"))
        os.mkfifo(root / "d" / "pipe")
        (root / "d" / "a#b").write_bytes(b"x")
        (root / "d" / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
        assert await store.entries(("d",)) == [Entry("f", 1)]
        with pytest.raises(Rejected, match="No such artifact"):
            await read(store, ("d", "pipe"))

    async def test_a_name_too_long_for_the_disk_is_refused(self, store):
        with pytest.raises(Rejected, match="cannot hold a file of this name") as refusal:
            await store.write(("n" * 256,), pieces(b"x"))
        assert refusal.value.error_code == INVALID

    async def test_a_deep_path_is_stored(self, store):
        path = ("d" * 200,) * 64
        await store.write(path, pieces(b"deep"))
        assert await read(store, path) == b"deep"
        await store.delete(path[:1])
        assert await store.entries(()) == []

    @pytest.mark.parametrize(
        ("number", "kind", "text"),
        [
            (errno.ENOSPC, Unavailable, "no space left"),
            (errno.EDQUOT, Unavailable, "no space left"),
            (errno.EIO, Unavailable, "failed: "),
            (errno.EMFILE, Busy, "too many files open"),
        ],
    )
    async def test_a_failing_disk_is_no_clients_fault(self, store, root, monkeypatch, number, kind, text):
        def fail(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(kind, match=text):
            await store.write(("d", "f"), pieces(b"x"))
        monkeypatch.undo()
        assert await store.entries(()) == []
        assert self.incoming(root) == []

    async def test_a_vanished_root_is_not_an_empty_one(self, store, root):
        await store.write(("f",), pieces(b"x"))
        root.rename(root.with_name("unmounted"))
        for attempt in (
            read(store, ("f",)),
            store.entries(()),
            store.delete(("f",)),
            store.write(("f",), pieces(b"x")),
        ):
            with pytest.raises(Unavailable, match="root directory is gone"):
                await attempt

    def test_an_impossible_root_says_so(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(Unavailable, match=r"artifact root .* cannot be used"):
            LocalStore(tmp_path / "file" / "root")

    async def test_bytes_and_names_are_synced_before_the_answer(self, store, root, monkeypatch):
        steps: list[tuple[str, int]] = []
        fsync, replace = os.fsync, os.replace

        def recording_fsync(descriptor):
            fsync(descriptor)
            steps.append(("synced", os.fstat(descriptor).st_ino))

        def recording_replace(*args, **kwargs):
            replace(*args, **kwargs)
            steps.append(("renamed", 0))

        monkeypatch.setattr(os, "fsync", recording_fsync)
        monkeypatch.setattr(os, "replace", recording_replace)
        await store.write(("d", "e", "f"), pieces(b"x"))
        file, folders = root / "d" / "e" / "f", [root, root / "d", root / "d" / "e"]
        renamed = steps.index(("renamed", 0))
        assert ("synced", file.stat().st_ino) in steps[:renamed]
        assert ("synced", folders[-1].stat().st_ino) in steps[renamed:]
        assert all(("synced", folder.stat().st_ino) in steps for folder in folders)
        steps.clear()
        await store.delete(("d", "e"))
        assert ("synced", (root / "d").stat().st_ino) in steps

    async def test_a_directory_is_synced_into_its_parent_once_and_anew_when_it_was_deleted(
        self, store, root, monkeypatch
    ):
        synced, fsync = [], os.fsync

        def record(descriptor):
            synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", record)

        async def directories_synced(name):
            synced.clear()
            await store.write(("0", "run", name), pieces(b"x"))
            return [path.removeprefix(str(root)) for path in synced if files.INCOMING not in path]

        whole = ["", "/0", "/0/run"]
        assert await directories_synced("a") == whole
        assert await directories_synced("b") == ["/0/run"]
        await store.delete(("0", "run"))
        assert await directories_synced("c") == ["/0", "/0/run"]
        await store.delete(("0",))
        assert await directories_synced("d") == whole

    async def test_a_killed_processs_uploads_are_cleared_and_a_living_ones_are_not(self, store, root):
        script = f"""
import asyncio, pathlib, sys
from tracklog_artifacts.local import LocalStore
async def endless():
    yield b"x" * 2**20
    print("uploading", flush=True)
    await asyncio.sleep(600)
    yield b"x"
async def main():
    await LocalStore(pathlib.Path({str(root)!r})).write(("d", "f"), endless())
asyncio.run(main())
"""
        going_on = asyncio.Event()

        async def slow():
            yield b"x" * CHUNK_BYTES
            await going_on.wait()

        ours = asyncio.create_task(store.write(("ours",), slow()))
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
            try:
                assert (await asyncio.to_thread(process.stdout.readline)) == b"uploading\n"
                LocalStore(root)
                assert len(self.incoming(root)) == 2
            finally:
                process.send_signal(signal.SIGKILL)
        (root / files.INCOMING / "tree" / "of").mkdir(parents=True)
        LocalStore(root)
        assert len(self.incoming(root)) == 1
        going_on.set()
        await ours
        assert await store.entries(()) == [Entry("ours", CHUNK_BYTES)]
        assert self.incoming(root) == []

    async def test_a_replaced_file_can_be_read_to_its_end(self, store):
        await store.write(("f",), pieces(b"a long first version"))
        async with store.open(("f",)) as first:
            await store.write(("f",), pieces(b"second"))
            assert await read_all(first) == b"a long first version"
        assert await read(store, ("f",)) == b"second"
        async with store.open(("f",)) as second:
            assert second.etag != first.etag
            assert second.modified_s >= first.modified_s

    async def test_a_deleted_file_can_be_read_to_its_end(self, store):
        await store.write(("f",), pieces(b"x" * 2 * CHUNK_BYTES))
        async with store.open(("f",)) as file:
            await store.delete(("f",))
            assert await read_all(file) == b"x" * 2 * CHUNK_BYTES

    @pytest.mark.parametrize("path", [("file", "below"), ("file", "far", "below"), ("dir",)])
    async def test_a_path_that_cannot_exist_is_refused_before_the_upload(self, store, path):
        await store.write(("file",), pieces(b"x"))
        await store.write(("dir", "f"), pieces(b"x"))

        async def unwanted():
            raise AssertionError
            yield b""

        with pytest.raises(Rejected, match="directory") as refusal:
            await store.write(path, unwanted())
        assert refusal.value.error_code == INVALID

    async def test_the_key_is_private_and_stays(self, store, again, root, send):
        key = root / files.INCOMING / files.KEY
        assert (key.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 32)
        assert (await send(again.sign_put(("f",), expires_s=60, size_bytes=1), b"x")).status == 200
        key.unlink()
        other = LocalStore(root)
        assert (await send(other.sign_get(("f",), expires_s=60))).status == 403
        assert (await send(store.sign_get(("f",), expires_s=60))).status == 200

    async def test_no_url_leads_to_the_uploads_folder(self, store):
        for path in ((files.INCOMING, files.KEY), (files.INCOMING.upper(), "x")):
            for sign in (
                lambda path: store.sign_get(path, expires_s=60),
                lambda path: store.sign_put(path, expires_s=60, size_bytes=1),
                lambda path: store.sign_part(path, "0" * 32, 1, expires_s=60, size_bytes=1),
                lambda path: store.sign_abort(path, "0" * 32, expires_s=60),
            ):
                with pytest.raises(Rejected, match="Invalid path"):
                    sign(path)
            with pytest.raises(Rejected, match="Invalid path"):
                await store.create_multipart(path)

    async def test_parts_outlive_a_process_killed_in_the_next_one(self, root):
        script = f"""
import asyncio, pathlib
from tracklog_artifacts.local import LocalStore
async def endless():
    yield b"x" * 2**20
    print("uploading", flush=True)
    await asyncio.sleep(600)
    yield b"x"
async def whole():
    yield b"1" * 5 * 2**20
async def main():
    store = LocalStore(pathlib.Path({str(root)!r}))
    upload_id = await store.create_multipart(("d", "f"))
    await store.write_part(("d", "f"), upload_id, 1, whole())
    await store.write_part(("d", "f"), upload_id, 2, endless())
asyncio.run(main())
"""
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
            try:
                assert (await asyncio.to_thread(process.stdout.readline)) == b"uploading\n"
            finally:
                process.send_signal(signal.SIGKILL)
        store = LocalStore(root)
        assert self.incoming(root) == []
        [(path, upload_id, _)] = [upload async for upload in store.uploads()]
        [first] = await store.parts(path, upload_id)
        assert (path, first.number, first.size_bytes) == (("d", "f"), 1, 5 * 2**20)
        second = await store.write_part(path, upload_id, 2, pieces(b"2"), size_bytes=1)
        await store.complete_multipart(path, upload_id, [(1, first.etag), (2, second.etag)])
        assert await read(store, path) == b"1" * 5 * 2**20 + b"2"

    async def test_a_completed_upload_is_no_more(self, store, send):
        upload_id = await store.create_multipart(("f",))
        part = await send(store.sign_part(("f",), upload_id, 1, expires_s=60, size_bytes=1), b"x")
        await store.complete_multipart(("f",), upload_id, [(1, part.etag)])
        for attempt in (
            store.parts(("f",), upload_id),
            store.complete_multipart(("f",), upload_id, [(1, part.etag)]),
        ):
            with pytest.raises(Rejected, match="no such multipart upload"):
                await attempt

    async def test_head_tells_of_a_get(self, store, send):
        await store.write(("f",), pieces(b"hello"))
        answer = await send(store.sign_get(("f",), expires_s=60), method="HEAD")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "5", b"")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox"
