"""Takes a file in through this process: from the request's body into the store, with bounded memory."""

import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress

from aiohttp import web

from tracklog_artifacts.carried import Carried
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.incoming import Uploads, refuse_encoded
from tracklog_artifacts.ledger import Intent, Ledger, StoredFile
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import ArtifactStore
from tracklog_contract.errors import INVALID, Rejected, TracklogError


class Intake:
    """Uploads through this process, counted and bounded in number."""

    def __init__(
        self, store: ArtifactStore, ledger: Ledger, config: ArtifactConfig, carried: Carried
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._config = config
        self._carried = carried
        self._uploads = Uploads(config)

    async def receive(
        self, request: web.Request, path: ArtifactPath, *, bytes_max: int | None = None
    ) -> StoredFile:
        """Store the request's body as the file at `path`, and record it.

        The client is read only as fast as the store takes it. Of a body that breaks off nothing is stored.
        Raises: Rejected also for an empty body or one of more than `bytes_max`, where that is given; Busy,
        when too many uploads are under way.
        """
        refuse_encoded(request)
        with self._uploads.slot():
            intent = Intent(path, request.content_length, time.time() + self._config.upload_expires_s)
            # Before the first byte: whether it may be stored at all is known then, and if this process dies
            # between the store and the log, the file is found.
            known = await self._ledger.intended([intent])
            body = _counted(request, self._uploads.body(request), self._carried, bytes_max)
            try:
                stat = await self._store.write(path, body, size_bytes=request.content_length)
            except BaseException:
                with suppress(TracklogError):
                    await self._ledger.forgotten([intent])
                raise
            stored = StoredFile(path, stat.size_bytes, stat.sha256, stat.etag, known.get(path, ""))
            await self._ledger.stored([stored])
            return stored


async def _counted(
    request: web.Request, chunks: AsyncIterable[bytes], carried: Carried, bytes_max: int | None
) -> AsyncIterator[bytes]:
    """The same bytes, counted.

    Raises: Rejected, with `bytes_max`, when there is none or more than so many.
    """
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        carried.add(request, len(chunk))
        if bytes_max is not None and size_bytes > bytes_max:
            raise too_large(bytes_max)
        yield chunk
    if bytes_max is not None and not size_bytes:
        raise no_data()


def too_large(bytes_max: int) -> Rejected:
    """That a file is longer than upload-artifact takes."""
    return Rejected(INVALID, f"Artifact size is too large. Max size is {bytes_max // 2**20}MB.")


def no_data() -> Rejected:
    """That upload-artifact was sent no byte."""
    return Rejected(INVALID, "Request must specify data.")
