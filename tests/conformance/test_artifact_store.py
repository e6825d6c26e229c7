"""The contract of every artifact store, run on the local one, and what only the local one promises."""

import asyncio
import errno
import os
import signal
import subprocess
import sys

import pytest

from tracklog_artifacts import files
from tracklog_artifacts.local import CHUNK_BYTES, LocalStore
from tracklog_artifacts.store import Entry
from tracklog_contract.errors import INVALID, NOT_FOUND, Busy, Rejected, Unavailable


async def pieces(*parts):
    for part in parts:
        yield part


async def read_all(file):
    return b"".join([piece async for piece in file.chunks(0, file.size_bytes)])


async def read(store, path):
    async with store.open(path) as file:
        return await read_all(file)


async def read_part(store, path, start, count):
    async with store.open(path) as file:
        return b"".join([piece async for piece in file.chunks(start, count)])


class StoreContract:
    """A store's tests: subclasses give the fixture `store`."""

    async def test_what_is_written_is_read(self, store):
        await store.write(("1", "run", "a b.txt"), pieces(b"he", b"", b"llo"))
        assert await read(store, ("1", "run", "a b.txt")) == b"hello"

    async def test_an_empty_file_is_a_file(self, store):
        await store.write(("empty",), pieces())
        assert await read(store, ("empty",)) == b""
        assert await store.entries(()) == [Entry("empty", 0)]

    @pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
    async def test_sizes_around_a_chunk(self, store, size):
        content = os.urandom(size)
        await store.write(("f",), pieces(*(content[at : at + 50_000] for at in range(0, size, 50_000))))
        assert await read(store, ("f",)) == content

    async def test_a_part_is_read(self, store):
        content = os.urandom(2 * CHUNK_BYTES)
        await store.write(("f",), pieces(content))
        assert await read_part(store, ("f",), 1, 5) == content[1:6]
        assert (
            await read_part(store, ("f",), CHUNK_BYTES - 1, 2) == content[CHUNK_BYTES - 1 : CHUNK_BYTES + 1]
        )
        assert await read_part(store, ("f",), 0, 0) == b""

    async def test_pieces_are_small(self, store):
        await store.write(("f",), pieces(bytes(5 * 2**20)))
        async with store.open(("f",)) as file:
            async for piece in file.chunks(0, file.size_bytes):
                assert len(piece) <= 2**20

    @pytest.mark.parametrize("path", [("no",), ("no", "such"), ("file", "below")])
    async def test_a_missing_file_does_not_exist(self, store, path):
        await store.write(("file",), pieces(b"x"))
        with pytest.raises(Rejected, match="No such artifact: '" + "/".join(path)) as refusal:
            await read(store, path)
        assert refusal.value.error_code == NOT_FOUND

    async def test_a_directory_is_not_a_file(self, store):
        await store.write(("d", "f"), pieces(b"x"))
        with pytest.raises(Rejected, match="refers to a directory") as refusal:
            await read(store, ("d",))
        assert refusal.value.error_code == INVALID

    async def test_a_write_replaces(self, store):
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

    async def test_nothing_is_seen_before_the_end(self, store):
        await store.write(("old",), pieces(b"old"))

        async def slow():
            for _ in range(3):
                yield b"n" * CHUNK_BYTES
                assert await read(store, ("old",)) == b"old"
                assert await store.entries(()) == [Entry("old", 3)]
                assert await store.entries(("new",)) == []

        await store.write(("new", "file"), slow())
        assert await store.entries(("new",)) == [Entry("file", 3 * CHUNK_BYTES)]

    async def test_a_broken_write_leaves_nothing(self, store):
        class HungUpError(Exception):
            pass

        async def broken():
            yield b"x" * 2 * CHUNK_BYTES
            raise HungUpError

        await store.write(("f",), pieces(b"before"))
        for path in (("f",), ("d", "f")):
            with pytest.raises(HungUpError):
                await store.write(path, broken())
        assert await read(store, ("f",)) == b"before"
        assert await store.entries(()) == [Entry("f", 6)]

    async def test_a_cancelled_write_leaves_nothing(self, store):
        async def endless():
            while True:
                await asyncio.sleep(0.01)
                yield b"x" * CHUNK_BYTES

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await store.write(("f",), endless())
        assert await store.entries(()) == []

    async def test_of_concurrent_writes_one_wins_whole(self, store):
        contents = [bytes([number]) * (CHUNK_BYTES + number) for number in range(1, 9)]
        reads: list[bytes] = []

        async def write(content):
            await store.write(("d", "f"), pieces(content[:65_536], content[65_536:]))
            reads.append(await read(store, ("d", "f")))

        await asyncio.gather(*(write(content) for content in contents))
        assert len(reads) == len(contents)
        assert all(content in contents for content in reads)
        assert await read(store, ("d", "f")) in contents
        assert len(await store.entries(("d",))) == 1

    async def test_a_listing_is_one_level_sorted_by_name(self, store):
        for path in (("d", "b"), ("d", "a", "x", "y"), ("d", "C"), ("d", "é"), ("d", ".h"), ("other",)):
            await store.write(path, pieces(b"123"))
        assert await store.entries(("d",)) == [
            Entry(".h", 3),
            Entry("C", 3),
            Entry("a", None),
            Entry("b", 3),
            Entry("é", 3),
        ]
        assert [entry.is_dir for entry in await store.entries(())] == [True, False]

    @pytest.mark.parametrize("path", [("no",), ("no", "such"), ("file",), ("file", "below")])
    async def test_what_is_no_directory_lists_nothing(self, store, path):
        await store.write(("file",), pieces(b"x"))
        assert await store.entries(path) == []

    async def test_a_file_is_deleted(self, store):
        await store.write(("d", "f"), pieces(b"x"))
        await store.write(("d", "g"), pieces(b"x"))
        await store.delete(("d", "f"))
        assert await store.entries(("d",)) == [Entry("g", 1)]

    async def test_a_tree_is_deleted(self, store):
        for path in (("d", "f"), ("d", "e", "f"), ("d", "e", "g", "h"), ("dd",)):
            await store.write(path, pieces(b"x"))
        await store.delete(("d",))
        assert await store.entries(()) == [Entry("dd", 1)]
        with pytest.raises(Rejected):
            await read(store, ("d", "e", "f"))
        await store.write(("d",), pieces(b"a file now"))
        assert await read(store, ("d",)) == b"a file now"

    @pytest.mark.parametrize("path", [("no",), ("no", "such"), ("file", "below")])
    async def test_deleting_nothing_is_fine(self, store, path):
        await store.write(("file",), pieces(b"x"))
        await store.delete(path)
        assert await store.entries(()) == [Entry("file", 1)]

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

    async def test_writes_and_deletes_of_one_tree_meet(self, store):
        async def write(number):
            for _ in range(10):
                await store.write(("d", str(number), "f"), pieces(b"x"))

        async def delete():
            for _ in range(20):
                await store.delete(("d",))
                await asyncio.sleep(0)

        await asyncio.gather(*(write(number) for number in range(4)), delete())
        await store.write(("d", "last"), pieces(b"x"))
        assert Entry("last", 1) in await store.entries(("d",))


class TestLocalStore(StoreContract):
    @pytest.fixture
    def root(self, tmp_path):
        return tmp_path / "not" / "there" / "yet"

    @pytest.fixture
    def store(self, root):
        return LocalStore(root)

    def incoming(self, root):
        return sorted(os.listdir(root / files.INCOMING))

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
