"""Decides how each file that a native client has comes in, and believes it once it is in the store."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from tracklog_artifacts import native_wire as wire
from tracklog_artifacts import paths
from tracklog_artifacts.ledger import Intent, Listed, StoredFile
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.settle import at_once, has_arrived, stored_of
from tracklog_artifacts.shared import Shared, breathe
from tracklog_artifacts.store import Part, SignedRequest, SmallFile, Stat
from tracklog_contract.errors import INVALID, NOT_FOUND, QUOTA, Rejected

# A smaller file is one PUT, which costs two requests less than an upload in parts.
SINGLE_MAX: Final = 16 * 2**20
PART_BYTES: Final = 16 * 2**20
_MIB: Final = 2**20


@dataclass(frozen=True)
class Coming:
    """A file that is to be sent: as `signed` or, with an `upload_id`, in parts, some of which are there."""

    path: ArtifactPath
    file: wire.File
    upload_id: str = ""
    there: Sequence[Part] = ()
    is_continued: bool = False
    signed: SignedRequest | None = None


Plan = Coming | wire.Bundled | wire.Stored | wire.Refused


def part_bytes(size_bytes: int, *, parts_max: int, part_bytes_min: int) -> int:
    """The size of each part but the last, in whole MiB: always the same for the same file and store."""
    least = max(PART_BYTES, part_bytes_min, -(-size_bytes // parts_max))
    return -(-least // _MIB) * _MIB


def size_of_part(number: int, size_bytes: int, part_size: int) -> int:
    """How long part `number`, counted from 1, of a file of `size_bytes` is.

    Raises: Rejected, when the file has no such part.
    """
    rest = size_bytes - (number - 1) * part_size
    if rest <= 0:
        raise Rejected(
            INVALID, f"The file has no part {number}: it is {size_bytes} bytes, in parts of {part_size}."
        )
    return min(rest, part_size)


def resolved(root: ArtifactPath, texts: Sequence[str]) -> tuple[list[ArtifactPath], list[wire.Refused]]:
    """The whole paths of these files, and what is wrong with the others."""
    found: dict[ArtifactPath, None] = {}
    refused: list[wire.Refused] = []
    for text in texts:
        try:
            path = root + paths.file_path(text)
        except Rejected as error:
            refused.append(_refused(text, error))
            continue
        if path in found:
            raise Rejected(INVALID, f"The file '{text}' is in the request twice.")
        found[path] = None
    return list(found), refused


class NativeUploads:
    """The uploads of native clients over one store and log."""

    def __init__(self, shared: Shared) -> None:
        self._store = shared.store
        self._ledger = shared.ledger
        self._config = shared.config

    def part_size(self, size_bytes: int) -> int:
        """As `part_bytes`, for this store."""
        store = self._store
        return part_bytes(size_bytes, parts_max=store.parts_max, part_bytes_min=store.part_bytes_min)

    async def plan(
        self, root: ArtifactPath, files: Sequence[wire.File], *, bundle: bool = False
    ) -> list[Plan]:
        """What is to be done for each file, in order. What has to come is remembered in the log.

        With `bundle` small files are asked for by `take`, where the store can do that.
        """
        small_max = wire.SMALL_BYTES_MAX if bundle and self._store.bundles is not None else -1
        by_text = {file.path: file for file in files}
        wanted, refused = resolved(root, [file.path for file in files])
        known = await self._ledger.files(wanted)
        plans: dict[str, Plan] = {refusal.path: refusal for refusal in refused}
        coming: list[tuple[ArtifactPath, wire.File]] = []
        for path in wanted:
            file = by_text["/".join(path[len(root) :])]
            if _is_there(file, known.get(path)):
                plans[file.path] = wire.Stored(file.path)
            elif file.size <= small_max:
                plans[file.path] = wire.Bundled(file.path)
            else:
                coming.append((path, file))
        for plan in await self._intended(await self._begun(coming)):
            plans[plan.file.path if isinstance(plan, Coming) else plan.path] = plan
        return [plans[file.path] for file in files]

    async def _begun(self, coming: Sequence[tuple[ArtifactPath, wire.File]]) -> list[Coming | wire.Refused]:
        large = [item for item in coming if item[1].size >= SINGLE_MAX]
        in_parts = await at_once(self._in_parts, large, limit=self._config.store_requests_max)
        begun = {path: plan for (path, _), plan in zip(large, in_parts, strict=True)}
        for number, (path, file) in enumerate(coming):
            if path not in begun:
                await breathe(number)
                begun[path] = self._single(path, file)
        return [begun[path] for path, _ in coming]

    def _single(self, path: ArtifactPath, file: wire.File) -> Coming | wire.Refused:
        try:
            signed = self._store.sign_put(
                path, expires_s=self._config.url_expires_s, size_bytes=file.size, sha256=file.sha256
            )
        except Rejected as error:
            return _refused(file.path, error)
        return Coming(path, file, signed=signed)

    async def _in_parts(self, item: tuple[ArtifactPath, wire.File]) -> Coming | wire.Refused:
        path, file = item
        try:
            return await self._continued(path, file) or Coming(
                path, file, await self._store.create_multipart(path)
            )
        except Rejected as error:
            return _refused(file.path, error)

    async def _continued(self, path: ArtifactPath, file: wire.File) -> Coming | None:
        """An upload in parts of the same bytes that was begun before."""
        part_size, now = self.part_size(file.size), time.time()
        for intent in await self._ledger.intents(path):
            same = (intent.path, intent.size_bytes, intent.sha256) == (path, file.size, file.sha256)
            if not same or not intent.upload_id or intent.expires_at_s <= now:
                continue
            # The store may have given up what the log still remembers.
            with suppress(Rejected):
                parts = await self._store.parts(path, intent.upload_id)
                whole = [part for part in parts if _is_whole(part, file.size, part_size)]
                return Coming(path, file, intent.upload_id, whole, is_continued=True)
        return None

    async def _intended(self, plans: Sequence[Coming | wire.Refused]) -> Sequence[Coming | wire.Refused]:
        coming = [plan for plan in plans if isinstance(plan, Coming)]
        if not coming:
            return plans
        try:
            known = await self._intended_or_refused([self._intent(plan) for plan in coming])
        except Rejected:
            await self._abort_new(coming)
            raise
        if not isinstance(known, Rejected):
            return plans
        await self._abort_new(coming)
        return [_refused(p.file.path, known) if isinstance(p, Coming) else p for p in plans]

    async def _intended_or_refused(self, intents: Sequence[Intent]) -> Mapping[ArtifactPath, str] | Rejected:
        """Remember uploads, and learn what is recorded there; the refusal, when a quota has no room."""
        try:
            return await self._ledger.intended(intents) if intents else {}
        except Rejected as error:
            if error.error_code != QUOTA:
                raise
            return error

    async def _abort_new(self, plans: Sequence[Coming]) -> None:
        for plan in plans:
            if plan.upload_id and not plan.is_continued:
                await self._store.abort_multipart(plan.path, plan.upload_id)

    def _intent(self, plan: Coming) -> Intent:
        config = self._config
        lasts_s = config.multipart_expires_s if plan.upload_id else config.upload_expires_s
        return Intent(plan.path, plan.file.size, time.time() + lasts_s, plan.upload_id, plan.file.sha256)

    async def take(
        self, root: ArtifactPath, files: Sequence[wire.PackedFile]
    ) -> list[wire.Stored | wire.Refused]:
        """Store and record files that came with their bytes; what became of each, in order."""
        bundles = self._store.bundles
        if bundles is None:
            raise Rejected(INVALID, "This server's store takes no bundles: ask for /uploads of the files.")
        by_text = {file.path: file for file in files}
        wanted, refused = resolved(root, [file.path for file in files])
        answers: dict[str, wire.Stored | wire.Refused] = {refusal.path: refusal for refusal in refused}
        small = [_small(path, by_text["/".join(path[len(root) :])]) for path in wanted]
        expires_at_s = time.time() + self._config.upload_expires_s
        # If this process dies between the store and the log, the files are found.
        intents = [Intent(one.path, len(one.data), expires_at_s, sha256=one.sha256) for one in small]
        known = await self._intended_or_refused(intents)
        if isinstance(known, Rejected):
            return [answers.get(file.path) or _refused(file.path, known) for file in files]
        arrived, spoilt = [], []
        for intent, outcome in zip(intents, await bundles.write_all(small), strict=True):
            if isinstance(outcome, Rejected):
                text = "/".join(intent.path[len(root) :])
                answers[text] = _refused(text, outcome)
                spoilt.append(intent)
            else:
                replaces = known.get(intent.path, "")
                arrived.append(
                    StoredFile(intent.path, outcome.size_bytes, outcome.sha256, outcome.etag, replaces)
                )
        if spoilt:
            await self._ledger.forgotten(spoilt)
        answers |= {answer.path: answer for answer in await self._recorded(root, arrived)}
        return [answers[file.path] for file in files]

    async def complete(
        self, root: ArtifactPath, files: Sequence[wire.FileDone]
    ) -> list[wire.Stored | wire.Refused]:
        """Record what is in the store as it should be; what became of each file, in order."""
        by_text = {file.path: file for file in files}
        wanted, refused = resolved(root, [file.path for file in files])
        known = await self._ledger.files(wanted)

        async def verify(path: ArtifactPath) -> StoredFile | wire.Stored | wire.Refused:
            file = by_text["/".join(path[len(root) :])]
            try:
                return await self._verified(path, file, known.get(path))
            except Rejected as error:
                return _refused(file.path, error)

        verified = await at_once(verify, wanted, limit=self._config.store_requests_max)
        answers: dict[str, wire.Stored | wire.Refused] = {refusal.path: refusal for refusal in refused}
        arrived = [file for file in verified if isinstance(file, StoredFile)]
        answers |= {answer.path: answer for answer in verified if not isinstance(answer, StoredFile)}
        answers |= {answer.path: answer for answer in await self._recorded(root, arrived)}
        return [answers[file.path] for file in files]

    async def _recorded(
        self, root: ArtifactPath, arrived: Sequence[StoredFile]
    ) -> list[wire.Stored | wire.Refused]:
        texts = ["/".join(file.path[len(root) :]) for file in arrived]
        try:
            if arrived:
                await self._ledger.stored(arrived)
        except Rejected as error:
            if error.error_code != QUOTA:
                raise
            return [_refused(text, error) for text in texts]
        return [wire.Stored(text) for text in texts]

    async def _verified(
        self, path: ArtifactPath, file: wire.FileDone, known: Listed | None
    ) -> StoredFile | wire.Stored:
        stat = await (self._assembled(path, file, known) if file.upload_id else self._store.stat(path))
        if stat is None:
            raise Rejected(NOT_FOUND, "The file is not in the store: it has not arrived.")
        if stat.size_bytes != file.size:
            raise Rejected(
                INVALID, f"In the store the file has {stat.size_bytes} bytes, not {file.size}: send it again."
            )
        if stat.sha256 not in ("", file.sha256):
            raise Rejected(INVALID, "In the store are other bytes than were to be sent: send them again.")
        if known is not None and not has_arrived(known, stat) and known.sha256:
            if known.sha256 == file.sha256:
                return wire.Stored(file.path)
            raise Rejected(
                NOT_FOUND, "In the store is the file as it was before: the new one has not arrived."
            )
        return replace(stored_of(path, stat, known), sha256=file.sha256)

    async def _assembled(self, path: ArtifactPath, file: wire.FileDone, known: Listed | None) -> Stat | None:
        try:
            parts = [(part.number, part.etag) for part in file.parts] or [
                (part.number, part.etag) for part in await self._store.parts(path, file.upload_id)
            ]
            stat = await self._store.complete_multipart(path, file.upload_id, parts)
        except Rejected as error:
            if error.error_code != NOT_FOUND:
                raise
            # It may have been completed by a request whose answer was lost.
            return await self._store.stat(path)
        if stat.size_bytes != file.size:
            # That is the file now, whatever was meant.
            await self._ledger.stored([stored_of(path, stat, known)])
        return stat


def _small(path: ArtifactPath, file: wire.PackedFile) -> SmallFile:
    return SmallFile(path, file.data, file.sha256)


def _is_there(file: wire.File, known: Listed | None) -> bool:
    return known is not None and (known.size_bytes, known.sha256) == (file.size, file.sha256)


def _is_whole(part: Part, size_bytes: int, part_size: int) -> bool:
    with suppress(Rejected):
        return part.size_bytes == size_of_part(part.number, size_bytes, part_size)
    return False


def _refused(text: str, error: Rejected) -> wire.Refused:
    return wire.Refused(text, error.error_code, error.message)
