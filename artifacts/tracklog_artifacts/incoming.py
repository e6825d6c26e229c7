"""Uploads on their way in: how many at once, and their bytes, checked and in pieces worth a write."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from tracklog_artifacts.config import ArtifactConfig
from tracklog_contract.errors import BAD_REQUEST, INVALID, Busy, Rejected

# One piece of a file in memory; with 64 uploads at once this stays far below the memory of the process.
CHUNK_BYTES: Final = 256 * 1024
# How aiohttp tells that a client hung up or sent nonsense in the middle of a body.
_BROKEN_UPLOADS: Final = (ConnectionError, web.RequestPayloadError)


class Uploads:
    """The uploads that a process is taking: each in a slot of its own, of which there are `uploads_max`."""

    def __init__(self, config: ArtifactConfig) -> None:
        self._config = config
        self._count = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """A place for one upload.

        Raises: Busy, when all are taken.
        """
        if self._count >= self._config.uploads_max:
            raise Busy(
                f"The server is taking {self._count} uploads already; send this one again in a moment."
            )
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def body(self, request: web.Request) -> AsyncIterator[bytes]:
        """The bytes of the request as they come; while nobody takes them, the client is held up.

        Raises: Rejected, when they break off or stand still.
        """
        try:
            while True:
                async with asyncio.timeout(self._config.upload_stall_timeout_s):
                    chunk = await request.content.readany()
                if not chunk:
                    return
                yield chunk
        except TimeoutError:
            raise Rejected(
                BAD_REQUEST, "The upload stood still for too long; nothing of it was stored."
            ) from None
        except _BROKEN_UPLOADS as error:
            raise Rejected(
                BAD_REQUEST, "The upload broke off before its end; nothing of it was stored."
            ) from error


def refuse_encoded(request: web.Request) -> None:
    """Pass for bodies that are the files themselves.

    Raises: Rejected, for one that the HTTP library would unpack: another file would be read back.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Rejected(INVALID, "Send artifacts without Content-Encoding; files are stored as they are.")


async def checked(chunks: AsyncIterable[bytes], size_bytes: int | None) -> AsyncIterator[bytes]:
    """The same bytes, which are `size_bytes` in all if that is given.

    Raises: Rejected, before more is passed on, or at the end when it was less.
    """
    seen = 0
    async for chunk in chunks:
        seen += len(chunk)
        if size_bytes is not None and seen > size_bytes:
            break
        yield chunk
    if size_bytes is not None and seen != size_bytes:
        raise Rejected(
            INVALID, f"The upload is not of the {size_bytes} bytes that were told; nothing was stored."
        )


async def gathered(chunks: AsyncIterable[bytes], piece_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
    """The same bytes in pieces worth a trip to a thread: `piece_bytes` or more, but for the last."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= piece_bytes:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
