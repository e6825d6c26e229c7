"""Sends bytes of an open file at the pace of its client; of a local one without copying them (sendfile)."""

import asyncio
import os
from typing import Final

from aiohttp import web

from tracklog_artifacts.local import LocalFile
from tracklog_artifacts.store import OpenArtifact

# A client that takes nothing for so long has lost its download.
STALL_TIMEOUT_S: Final = 60.0
# What one call hands to the kernel at most; it takes less as soon as the socket is full.
_PIECE_BYTES: Final = 4 * 2**20


async def send_bytes(
    request: web.Request, response: web.StreamResponse, file: OpenArtifact, start: int, count: int
) -> None:
    """Send `count` bytes of `file` from `start` on as the body of a response that is prepared.

    Raises: ConnectionResetError, when the client hangs up or stands still; Unavailable, when the file cannot
    be read to its end.
    """
    try:
        if isinstance(file, LocalFile) and _has_plain_socket(request):
            await _sendfile(request, file, start, count)
            return
        async for piece in file.chunks(start, count):
            async with asyncio.timeout(STALL_TIMEOUT_S):
                await response.write(piece)
    except TimeoutError:
        raise ConnectionResetError("the client takes nothing any more") from None


def _has_plain_socket(request: web.Request) -> bool:
    # What is to be encrypted cannot pass the process by.
    transport = request.transport
    return (
        hasattr(os, "sendfile")
        and transport is not None
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )


async def _sendfile(request: web.Request, file: LocalFile, start: int, count: int) -> None:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    # We write beside the transport: nothing of the headers may still wait in it.
    transport.set_write_buffer_limits(0)
    async with asyncio.timeout(STALL_TIMEOUT_S):
        await request.writer.drain()
    transport.set_write_buffer_limits()
    # A descriptor of our own to wait on: the loop refuses to watch one that a transport watches.
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while count:
            if transport.is_closing():
                raise ConnectionResetError
            sent = await file.sendfile(socket, start, min(count, _PIECE_BYTES))
            if not sent:
                await _writable(socket)
            start += sent
            count -= sent
            request.writer.output_size += sent
    finally:
        os.close(socket)


async def _writable(socket: int) -> None:
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(socket, writable.set)
    try:
        async with asyncio.timeout(STALL_TIMEOUT_S):
            await writable.wait()
    finally:
        loop.remove_writer(socket)
