"""What the log knows of artifacts, for their endpoints: recorded through ingest, listed from the views."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tracklog_artifacts.ledger import Intent, Listed, StoredFile
from tracklog_artifacts.paths import ArtifactPath
from tracklog_contract.artifact_events import ArtifactFile
from tracklog_contract.artifact_places import ArtifactItem, UploadIntent
from tracklog_contract.caller import caller
from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_ingest.artifacts import RecordArtifacts, RemoveArtifacts
from tracklog_ingest.service import Ingest
from tracklog_ingest.upload_intents import ForgetIntents, IntendUploads
from tracklog_projector.artifacts import ArtifactQueries

# What a file takes in the append queue, beside its path.
_FILE_BYTES: Final = 300


class LogLedger:
    """The Ledger of the artifact endpoints; see tracklog_artifacts.ledger for what each method promises."""

    def __init__(self, ingest: Ingest, queries: ArtifactQueries) -> None:
        self._ingest = ingest
        self._queries = queries

    async def stored(self, files: Sequence[StoredFile], *, principal: str = "") -> None:
        """Record these files, in place of what was at their paths; their intents are settled by it.

        `principal` is who does it, where that is not the caller of a server.
        """
        recorded = [ArtifactFile(_text(file.path), file.size_bytes, file.sha256, file.etag) for file in files]
        replaces = {_text(file.path): file.replaces for file in files if file.replaces is not None}
        size = _payload_bytes(file.path for file in recorded)
        await self._ingest.submit(
            RecordArtifacts(time.time(), recorded, replaces, principal=principal, payload_bytes=size)
        )

    async def removed(self, path: ArtifactPath) -> None:
        """Record that the file or directory at `path` is gone with all it held; nothing there is fine too."""
        await self._ingest.submit(RemoveArtifacts(time.time(), _text(path)))

    async def intended(self, intents: Sequence[Intent]) -> Mapping[ArtifactPath, str]:
        """Remember uploads that may come; the ETags of files that are recorded there."""
        new = [
            UploadIntent(
                _text(intent.path), intent.size_bytes, intent.expires_at_s, intent.upload_id, intent.sha256
            )
            for intent in intents
        ]
        size = _payload_bytes(intent.path for intent in new)
        known = await self._ingest.submit(IntendUploads(time.time(), new, payload_bytes=size))
        return {_path(path): etag for path, etag in known.items()}

    async def intents(self, path: ArtifactPath) -> Sequence[Intent]:
        """What was intended at this path and is not settled, expired ones included."""
        await self._check_readable(path)
        return list(map(_intent, await self._ingest.upload_intents(_text(path))))

    async def intents_below(
        self, path: ArtifactPath, *, after: ArtifactPath | None, limit: int
    ) -> Sequence[Intent]:
        """A page of what was intended at and below this path: see `Ledger.intents_below`."""
        await self._check_readable(path)
        found = await self._ingest.upload_intents_below(_text(path), after=_text(after or ()), limit=limit)
        return list(map(_intent, found))

    async def forgotten(self, intents: Sequence[Intent]) -> None:
        """Drop intents whose uploads never came."""
        named = [(_text(intent.path), intent.upload_id) for intent in intents]
        size = _payload_bytes(path for path, _ in named)
        await self._ingest.submit(ForgetIntents(time.time(), named, payload_bytes=size))

    async def file(self, path: ArtifactPath) -> Listed | None:
        """The file at `path`."""
        return (await self.files([path])).get(path)

    async def files(self, paths: Sequence[ArtifactPath]) -> Mapping[ArtifactPath, Listed]:
        """Those of these files that there are."""
        await self._check_readable(*paths)
        found = map(_listed, await self._queries.files([_text(path) for path in paths]))
        return {file.path: file for file in found}

    async def entries(self, path: ArtifactPath) -> Sequence[Listed]:
        """The items of the directory at `path`, sorted by name; none when there is no such directory."""
        await self._check_readable(path)
        return [_listed(item) for item in await self._queries.entries(_text(path))]

    async def tree(self, path: ArtifactPath, *, after: ArtifactPath | None, limit: int) -> Sequence[Listed]:
        """The files below `path` in the order of their paths, those after `after`, `limit` at most."""
        await self._check_readable(path)
        found = await self._queries.tree(_text(path), after=_text(after or ()), limit=limit)
        return [_listed(item) for item in found]

    async def _check_readable(self, *paths: ArtifactPath) -> None:
        """Pass when the caller may read what these belong to; admission checks whoever writes.

        Raises: Rejected.
        """
        who = caller()
        if not who.is_checked:
            return
        absent = Rejected(NOT_FOUND, "Only what belongs to an experiment can be read here.")
        owners = await self._queries.owners([_text(path) for path in paths])
        for experiment_id in {owner.experiment_id if owner else None for owner in owners.values()}:
            if experiment_id is None:
                if who.rights is None:
                    continue
                raise absent
            await who.check(experiment_id, absent)


def _payload_bytes(paths: Iterable[str]) -> int:
    """What a command about these paths takes in the append queue."""
    return sum(_FILE_BYTES + len(path) for path in paths)


def _text(path: ArtifactPath) -> str:
    return "/".join(path)


def _path(text: str) -> ArtifactPath:
    return tuple(text.split("/"))


def _intent(found: UploadIntent) -> Intent:
    return Intent(_path(found.path), found.size_bytes, found.expires_at_s, found.upload_id, found.sha256)


def _listed(item: ArtifactItem) -> Listed:
    return Listed(_path(item.path), item.size_bytes, item.sha256, item.etag, item.recorded_ms)
