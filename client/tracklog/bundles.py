"""Sends small files many at once, to servers that keep them themselves: a request for each costs more."""

import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from tracklog.artifact_api import ArtifactApi
from tracklog.content import Changed
from tracklog.transfer import Upload

# What the server takes at once, and what of it still leaves others their turn.
BUNDLE_BYTES_MAX: Final = 4 * 2**20
BUNDLE_FILES_MAX: Final = 250


class Bundles:
    """Small files that wait to be sent, and how they are; `send` is for any thread, the rest for one."""

    def __init__(self, api: ArtifactApi) -> None:
        self._api = api
        self._waiting: deque[Upload] = deque()
        self._own = threading.local()
        self._opened: list[ArtifactApi] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, upload: Upload) -> None:
        """Send this too."""
        self._waiting.append(upload)

    def next(self) -> list[Upload]:
        """The next files of one owner that one request may hold; they wait no longer."""
        batch: list[Upload] = []
        size = 0
        while self._waiting and len(batch) < BUNDLE_FILES_MAX:
            upload = self._waiting[0]
            size += upload.content.size
            is_other = batch and (upload.owner != batch[0].owner or upload.is_alone or batch[0].is_alone)
            if is_other or (batch and size > BUNDLE_BYTES_MAX):
                break
            batch.append(self._waiting.popleft())
        return batch

    def send(self, batch: Sequence[Upload]) -> list[dict[str, Any] | Changed]:
        """What became of each file: the server's answer, or that it is no longer what it was.

        Raises: Rejected, when all of them are refused; NotNow.
        """
        answers: dict[str, dict[str, Any] | Changed] = {}
        files: dict[str, dict[str, Any]] = {}
        for upload in batch:
            try:
                files[upload.path] = _packed(upload)
            except Changed as error:
                answers[upload.path] = error
        if files:
            found = self._link().bundle(batch[0].owner, list(files.values()))
            answers.update(zip(files, found, strict=True))
        return [answers[upload.path] for upload in batch]

    def _link(self) -> ArtifactApi:
        """A connection of this thread's own."""
        api: ArtifactApi | None = getattr(self._own, "api", None)
        if api is None:
            api = self._own.api = self._api.another()
            self._opened.append(api)
        return api

    def close(self) -> None:
        """End the connections, once the threads have ended."""
        for api in self._opened:
            api.close()


def _packed(upload: Upload) -> dict[str, Any]:
    """The file as a bundle holds it. Raises: Changed, when it is no longer what it was."""
    data = upload.content.read()
    if hashlib.sha256(data).hexdigest() != upload.sha256:
        raise Changed("the file has changed since it was logged")
    return {"path": upload.path, "sha256": upload.sha256, "data": data}
