"""What every artifact store promises, as tests: subclasses bring the store and a way to send requests."""

import asyncio
import contextlib
import hashlib
import io
import os
import time
from dataclasses import dataclass

import aiohttp
import pytest

from tracklog_artifacts.incoming import CHUNK_BYTES
from tracklog_artifacts.store import Entry, Part
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected, Unavailable


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

    async def test_a_write_replaces(self, store):
        await store.write(("f",), pieces(b"a long first version"))
        first = await store.stat(("f",))
        async with store.open(("f",)) as opened:
            second = await store.write(("f",), pieces(b"second"))
            # Never a mixture; where a replaced version is gone at once, its reader hears so.
            with contextlib.suppress(Unavailable):
                assert await read_all(opened) == b"a long first version"
        assert await read(store, ("f",)) == b"second"
        async with store.open(("f",)) as opened:
            assert opened.etag == second.etag != first.etag
            assert opened.modified_s >= first.modified_s

    async def test_a_write_tells_what_it_stored(self, store):
        content = os.urandom(2 * CHUNK_BYTES + 1)
        sha256 = hashlib.sha256(content).hexdigest()
        told = await store.write(("f",), pieces(content), size_bytes=len(content), sha256=sha256)
        assert (told.size_bytes, told.sha256) == (len(content), sha256)
        seen = await store.stat(("f",))
        assert (seen.size_bytes, seen.etag) == (told.size_bytes, told.etag)
        assert seen.sha256 in {sha256, ""}
        assert abs(seen.modified_s - time.time()) < 60

    async def test_a_write_of_other_bytes_than_told_stores_nothing(self, store):
        sha256 = hashlib.sha256(b"hello").hexdigest()
        for told in ({"size_bytes": 4}, {"size_bytes": 6}, {"sha256": hashlib.sha256(b"other").hexdigest()}):
            with pytest.raises(Rejected, match="nothing was stored"):
                await store.write(("f",), pieces(b"hel", b"lo"), **told)
        assert await store.entries(()) == []
        await store.write(("f",), pieces(b"hel", b"lo"), size_bytes=5, sha256=sha256)

    async def test_what_is_no_file_has_no_facts(self, store):
        await store.write(("d", "f"), pieces(b"x"))
        for path in (("no",), ("d",), ("d", "no"), ("d", "f", "below")):
            assert await store.stat(path) is None

    async def test_a_walk_meets_every_file_in_the_order_of_s3(self, store):
        paths = [("a!",), ("a", "b"), ("a", "b!", "c"), ("a", "d"), ("a0",), ("é", "f"), ("😀",)]
        for path in reversed(paths):
            await store.write(path, pieces(b"123"))
        assert [(path, facts.size_bytes) async for path, facts in store.walk()] == [(p, 3) for p in paths]


@dataclass
class Answer:
    """What a store answered to a request."""

    status: int
    headers: dict
    body: bytes

    @property
    def etag(self):
        return self.headers["ETag"].strip('"')


class Sender:
    """Sends signed requests as any HTTP client does; `origin` stands before URLs that are relative."""

    def __init__(self, session, origin=""):
        self._session = session
        self._origin = origin

    async def __call__(self, signed, body=None, *, method=None, url=None, headers=None):
        address = url or signed.url
        async with self._session.request(
            method or signed.method,
            aiohttp.client.URL(self._origin + address if address.startswith("/") else address, encoded=True),
            data=io.BytesIO(body) if isinstance(body, bytes) else body,
            headers={**signed.headers, **(headers or {})},
            skip_auto_headers=["Content-Type"],
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


def altered(url, before, after):
    assert before in url
    return url.replace(before, after, 1)


class SignedContract(StoreContract):
    """A store's signed requests: subclasses give `store`, `again` (the same store, opened anew), `send`, and
    `yesterday`, a context in which requests are signed as if it were a day ago.
    """

    async def test_a_signed_get(self, store, send):
        content = os.urandom(3 * CHUNK_BYTES)
        told = await store.write(("a b", "é+1.bin"), pieces(content))
        signed = store.sign_get(("a b", "é+1.bin"), expires_s=60)
        answer = await send(signed)
        assert (answer.status, answer.body == content, answer.etag) == (200, True, told.etag)
        assert answer.headers["Content-Disposition"].startswith("attachment")
        part = await send(signed, headers={"Range": f"bytes={CHUNK_BYTES - 1}-{CHUNK_BYTES}"})
        assert (part.status, part.body) == (206, content[CHUNK_BYTES - 1 : CHUNK_BYTES + 1])
        size = len(content)
        assert part.headers["Content-Range"] == f"bytes {CHUNK_BYTES - 1}-{CHUNK_BYTES}/{size}"
        assert (await send(signed, headers={"Range": "bytes=-10"})).body == content[-10:]
        assert (await send(signed, headers={"Range": f"bytes={size}-"})).status == 416
        same = await send(signed, headers={"If-None-Match": f'"{told.etag}"'})
        assert (same.status, same.body) == (304, b"")
        assert (await send(signed, headers={"If-None-Match": '"other"'})).status == 200

    async def test_a_signed_get_of_nothing(self, store, send):
        assert (await send(store.sign_get(("no",), expires_s=60))).status == 404

    @pytest.mark.parametrize("name", ["page.html", "picture.svg", "PAGE.XHTML", "script.js"])
    async def test_no_browser_runs_a_download(self, store, send, name):
        signed = store.sign_put((name,), expires_s=60, size_bytes=8)
        assert (await send(signed, b"<script>", headers={"Content-Type": "text/html"})).status == 200
        answer = await send(store.sign_get((name,), expires_s=60))
        assert answer.body == b"<script>"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"

    async def test_a_signed_put(self, store, send):
        for content in (b"first", os.urandom(CHUNK_BYTES), b""):
            signed = store.sign_put(
                ("d e", "f"), expires_s=60, size_bytes=len(content), sha256=sha256_of(content)
            )
            answer = await send(signed, content)
            assert answer.status == 200, answer
            stat = await store.stat(("d e", "f"))
            assert (stat.size_bytes, stat.etag) == (len(content), answer.etag)
            assert stat.sha256 in {sha256_of(content), ""}
            assert await read(store, ("d e", "f")) == content

    async def test_a_put_of_any_size(self, store, send):
        assert (await send(store.sign_put(("f",), expires_s=60, size_bytes=None), b"hello")).status == 200
        assert await read(store, ("f",)) == b"hello"

    @pytest.mark.parametrize("content", [b"1234", b"123456", b""])
    async def test_a_put_of_another_size_is_refused(self, store, send, content):
        signed = store.sign_put(("f",), expires_s=60, size_bytes=5)
        assert (await send(signed, content)).status == 403
        upload_id = await store.create_multipart(("f",))
        signed = store.sign_part(("f",), upload_id, 1, expires_s=60, size_bytes=5)
        assert (await send(signed, content)).status == 403
        assert await store.parts(("f",), upload_id) == []
        assert await store.stat(("f",)) is None

    async def test_a_put_of_bytes_in_chunks_cannot_exceed_its_size(self, store, send):
        signed = store.sign_put(("f",), expires_s=60, size_bytes=5)
        assert 400 <= (await send(signed, pieces(b"123", b"456"))).status < 500
        assert await store.stat(("f",)) is None

    async def test_a_put_of_other_bytes_is_refused(self, store, send):
        signed = store.sign_put(("f",), expires_s=60, size_bytes=5, sha256=sha256_of(b"hello"))
        assert (await send(signed, b"hallo")).status == 400
        assert await store.stat(("f",)) is None
        assert (await send(signed, b"hello")).status == 200

    async def test_a_url_is_for_one_object(self, store, send):
        for path in (("d", "f"), ("d", "g")):
            await store.write(path, pieces(b"old"))
        get = store.sign_get(("d", "f"), expires_s=60)
        put = store.sign_put(("d", "f"), expires_s=60, size_bytes=3)
        for other in ("d/g", "d/f/below", "d", "d/../d/f", "d//f"):
            for signed, body in ((get, None), (put, b"new")):
                answer = await send(signed, body, url=altered(signed.url, "d/f", other))
                assert 400 <= answer.status < 500
                assert b"old" not in answer.body
        assert [await read(store, ("d", name)) for name in "fg"] == [b"old", b"old"]

    async def test_a_url_is_for_one_method(self, store, send):
        await store.write(("f",), pieces(b"old"))
        upload_id = await store.create_multipart(("g",))
        for signed in (
            store.sign_get(("f",), expires_s=60),
            store.sign_put(("f",), expires_s=60, size_bytes=3),
            store.sign_part(("g",), upload_id, 1, expires_s=60, size_bytes=3),
            store.sign_abort(("g",), upload_id, expires_s=60),
        ):
            for method in {"GET", "PUT", "DELETE"} - {signed.method}:
                answer = await send(signed, b"new" if method == "PUT" else None, method=method)
                assert 400 <= answer.status < 500, (signed, method)
                assert b"old" not in answer.body
        assert await read(store, ("f",)) == b"old"
        assert await store.parts(("g",), upload_id) == []

    async def test_a_url_expires(self, store, send, yesterday):
        await store.write(("f",), pieces(b"old"))
        with yesterday():
            get = store.sign_get(("f",), expires_s=60)
            put = store.sign_put(("f",), expires_s=60, size_bytes=3)
        for signed, body in ((get, None), (put, b"new")):
            answer = await send(signed, body)
            assert (answer.status, b"old" in answer.body) == (403, False)
        assert await read(store, ("f",)) == b"old"

    async def test_a_changed_url_is_refused(self, store, send):
        await store.write(("f",), pieces(b"old"))
        get = store.sign_get(("f",), expires_s=60)
        query = get.url.partition("?")[2]
        assert await read(store, ("f",)) == b"old"
        for field in query.split("&"):
            without = get.url.replace("&" + field, "").replace(field + "&", "")
            for url in (without, get.url + "&" + field + "~", get.url.replace(field, field[:-1] + "~")):
                answer = await send(get, url=url)
                assert 400 <= answer.status < 500, url
                assert b"old" not in answer.body
        assert 400 <= (await send(get, url=get.url.partition("?")[0])).status < 500

    async def test_an_upload_in_parts(self, store, send):
        path, size = ("a b", "é+1.bin"), store.part_bytes_min
        contents = [os.urandom(size), os.urandom(size + 1), os.urandom(7)]
        upload_id = await store.create_multipart(path)
        assert await store.parts(path, upload_id) == []

        async def put(number):
            content = contents[number - 1]
            signed = store.sign_part(path, upload_id, number, expires_s=60, size_bytes=len(content))
            answer = await send(signed, content)
            assert answer.status == 200, answer
            return number, answer.headers["ETag"]

        told = sorted(await asyncio.gather(*(put(number) for number in (3, 1, 2))))
        listed = await store.parts(path, upload_id)
        assert listed == [Part(number, len(contents[number - 1]), etag.strip('"')) for number, etag in told]
        assert await store.stat(path) is None
        assert await store.entries(()) == []
        stored = await store.complete_multipart(path, upload_id, told)
        whole = b"".join(contents)
        assert stored.size_bytes == len(whole)
        assert await store.stat(path) == stored
        assert sha256_of(await read(store, path)) == sha256_of(whole)
        assert [upload async for upload in store.uploads()] == []

    async def test_an_upload_is_resumed(self, store, again, send):
        path, size = ("d", "f"), store.part_bytes_min
        contents = [os.urandom(size), os.urandom(3)]
        upload_id = await store.create_multipart(path)
        other = await store.create_multipart(("d", "other"))
        await send(store.sign_part(path, upload_id, 1, expires_s=60, size_bytes=4), b"fals")
        await send(store.sign_part(path, upload_id, 1, expires_s=60, size_bytes=size), contents[0])
        found = sorted([upload async for upload in again.uploads()])
        assert [(p, i) for p, i, _ in found] == sorted([(path, upload_id), (("d", "other"), other)])
        assert all(abs(began_s - time.time()) < 60 for _, _, began_s in found)
        (first,) = await again.parts(path, upload_id)
        assert (first.number, first.size_bytes) == (1, size)
        answer = await send(again.sign_part(path, upload_id, 2, expires_s=60, size_bytes=3), contents[1])
        await again.complete_multipart(path, upload_id, [(1, first.etag), (2, answer.etag)])
        assert sha256_of(await read(store, path)) == sha256_of(b"".join(contents))

    async def test_an_upload_is_aborted(self, store, send):
        path = ("d", "f")
        for by_url in (True, False):
            upload_id = await store.create_multipart(path)
            part = store.sign_part(path, upload_id, 1, expires_s=60, size_bytes=3)
            assert (await send(part, b"123")).status == 200
            if by_url:
                assert (await send(store.sign_abort(path, upload_id, expires_s=60))).status == 204
            else:
                await store.abort_multipart(path, upload_id)
            await store.abort_multipart(path, upload_id)
            assert (await send(part, b"123")).status == 404
            for attempt in (
                store.parts(path, upload_id),
                store.complete_multipart(path, upload_id, [(1, "e")]),
            ):
                with pytest.raises(Rejected) as gone:
                    await attempt
                assert gone.value.error_code == NOT_FOUND
        assert [upload async for upload in store.uploads()] == []
        assert await store.entries(()) == []

    async def test_an_upload_is_of_one_object(self, store, send):
        upload_id = await store.create_multipart(("f",))
        assert (
            await send(store.sign_part(("g",), upload_id, 1, expires_s=60, size_bytes=3), b"123")
        ).status == 404
        with pytest.raises(Rejected):
            await store.parts(("g",), upload_id)
        await store.abort_multipart(("g",), upload_id)
        assert await store.parts(("f",), upload_id) == []
        for unknown in ("0" * 32, "../../etc", ""):
            with pytest.raises(Rejected):
                await store.parts(("f",), unknown)

    async def test_wrong_parts_are_refused(self, store, send):
        path, size = ("f",), store.part_bytes_min
        upload_id = await store.create_multipart(path)
        etags = {}

        async def put(number, content):
            signed = store.sign_part(path, upload_id, number, expires_s=60, size_bytes=len(content))
            etags[number] = (await send(signed, content)).etag

        await asyncio.gather(put(1, b"x" * size), put(2, b"small"), put(3, b"last"))
        for wrong in (
            [],
            [(1, etags[1]), (4, etags[3])],
            [(1, etags[3]), (3, etags[3])],
            [(3, etags[3]), (1, etags[1])],
            [(1, etags[1]), (2, etags[2]), (3, etags[3])],
        ):
            with pytest.raises(Rejected) as refusal:
                await store.complete_multipart(path, upload_id, wrong)
            assert refusal.value.error_code == INVALID
        assert await store.stat(path) is None
        await put(2, b"y" * size)
        await store.complete_multipart(path, upload_id, sorted(etags.items()))
        assert (await store.stat(path)).size_bytes == 2 * size + 4

    async def test_of_racing_writers_one_wins_whole(self, store, send):
        contents = [bytes([number]) * (CHUNK_BYTES + number) for number in range(1, 7)]

        async def put(content):
            signed = store.sign_put(("f",), expires_s=60, size_bytes=len(content))
            return (await send(signed, content)).status

        upload_id = await store.create_multipart(("f",))
        part = await send(store.sign_part(("f",), upload_id, 1, expires_s=60, size_bytes=5), b"parts")
        statuses = await asyncio.gather(*(put(content) for content in contents))
        await asyncio.gather(put(contents[0]), store.complete_multipart(("f",), upload_id, [(1, part.etag)]))
        assert statuses == [200] * len(contents)
        assert await read(store, ("f",)) in {contents[0], b"parts"}
        assert await store.entries(()) == [Entry("f", (await store.stat(("f",))).size_bytes)]
