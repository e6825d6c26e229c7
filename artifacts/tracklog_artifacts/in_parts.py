"""Uploads in parts whose clients do not say what is to come: begun, completed and given up."""

import time
from collections.abc import Sequence
from typing import Final

from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.ledger import Intent, Ledger
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.settle import stored_of
from tracklog_artifacts.store import ArtifactStore
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected

# A client that did not hear of its success asks again within this time.
_ASKED_AGAIN_S: Final = 600.0


class InParts:
    """Uploads in parts over one store and log. An id is the store's, and good for one file."""

    def __init__(self, store: ArtifactStore, ledger: Ledger, config: ArtifactConfig) -> None:
        self._store = store
        self._ledger = ledger
        self._config = config

    async def begin(self, path: ArtifactPath) -> str:
        """Begin an upload of the file at `path`, and remember it; its id."""
        upload_id = await self._store.create_multipart(path)
        expires_at_s = time.time() + self._config.multipart_expires_s
        try:
            await self._ledger.intended([Intent(path, None, expires_at_s, upload_id)])
        except BaseException:
            await self._store.abort_multipart(path, upload_id)
            raise
        return upload_id

    async def intent(self, path: ArtifactPath, upload_id: str) -> Intent:
        """What was remembered of an upload.

        Raises: Rejected, when there is none of this file with this id, or it is over.
        """
        for intent in await self._ledger.intents(path):
            if intent.path == path and intent.upload_id == upload_id != "":
                return intent
        raise Rejected(NOT_FOUND, f"No such upload of '{'/'.join(path)}'; it may be over.")

    async def complete(self, path: ArtifactPath, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the file of these parts (number, ETag), and record it. Asked again, it is done already.

        Raises: Rejected, as the store does.
        """
        if not upload_id or not parts:
            raise Rejected(INVALID, "An upload is completed by its id and at least one part.")
        # Whether the caller may, before anything is done.
        await self._ledger.intents(path)
        known = await self._ledger.file(path)
        try:
            stat = await self._store.complete_multipart(path, upload_id, sorted(parts))
        except Rejected as error:
            if error.error_code != NOT_FOUND or not await self._is_done(path, upload_id):
                raise
            return
        await self._ledger.stored([stored_of(path, stat, known)])

    async def _is_done(self, path: ArtifactPath, upload_id: str) -> bool:
        """Whether an upload that the store knows no more was completed before."""
        known = await self._ledger.file(path)
        stat = await self._store.stat(path)
        if stat is None:
            return False
        if known is not None and known.etag == stat.etag:
            # Were it another upload's file, that would be as if it had come right after ours.
            return time.time() - known.recorded_ms / 1000 < _ASKED_AGAIN_S
        # The process died between the store and the log.
        await self.intent(path, upload_id)
        await self._ledger.stored([stored_of(path, stat, known)])
        return True

    async def abort(self, path: ArtifactPath, upload_id: str) -> None:
        """Give an upload up; one that is not there is fine too."""
        if upload_id:
            intents = await self._ledger.intents(path)
            await self._store.abort_multipart(path, upload_id)
            await self._ledger.forgotten([i for i in intents if (i.path, i.upload_id) == (path, upload_id)])
