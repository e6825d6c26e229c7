"""Downloads of local files leave by sendfile, on each event loop, at the pace of whoever takes them."""

import asyncio
import contextlib
import hashlib
import os
import threading

import pytest
import uvloop
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tests.conformance.store_contract import pieces
from tracklog_artifacts import outgoing
from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.signed_http import SignedFiles

CONTENT = os.urandom(2**20) * 24


@contextlib.asynccontextmanager
async def served(store):
    application = web.Application()
    for method, path, handler in SignedFiles(store).root_routes():
        application.router.add_route(method, path, handler)
    async with TestServer(application) as server:
        yield server


async def download(root):
    """Two downloads over one connection, the first taken slowly; what came."""
    store = LocalStore(root)
    await store.write(("f",), pieces(CONTENT))
    signed = store.sign_get(("f",), expires_s=60)
    async with served(store) as server, ClientSession() as session:
        came = []
        for pause_s in (0.01, 0):
            seen, size = hashlib.sha256(), 0
            async with session.get(server.make_url(signed.url), headers={"Range": "bytes=1-"}) as answer:
                async for piece in answer.content.iter_chunked(2**20):
                    seen.update(piece)
                    size += len(piece)
                    await asyncio.sleep(pause_s)
                came.append((answer.status, size, seen.hexdigest()))
        return came


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_bytes_leave_without_being_read(tmp_path, monkeypatch, loop):
    sent, whole = [], os.sendfile

    def counting(*args):
        assert threading.current_thread() is not threading.main_thread()
        sent.append(whole(*args))
        return sent[-1]

    monkeypatch.setattr(os, "sendfile", counting)
    with asyncio.Runner(loop_factory=loop) as runner:
        came = runner.run(download(tmp_path))
    assert came == [(206, len(CONTENT) - 1, hashlib.sha256(CONTENT[1:]).hexdigest())] * 2
    assert sum(sent) == 2 * (len(CONTENT) - 1)


async def test_a_client_that_takes_nothing_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(outgoing, "STALL_TIMEOUT_S", 0.2)
    store = LocalStore(tmp_path)
    await store.write(("f",), pieces(CONTENT))
    url = store.sign_get(("f",), expires_s=60).url
    async with served(store) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.sleep(0.5)
        size = 0
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                while piece := await reader.read(2**20):
                    size += len(piece)
        writer.close()
    assert 0 < size < len(CONTENT)
