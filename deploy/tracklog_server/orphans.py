"""Compares the artifact store with what the log knows of it: both are walked once, in the same order.

Files that only the store has are told, deleted, or recorded as those of the run, model or trace they lie in.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tqdm import tqdm

from tracklog_artifacts.ledger import Ledger, Listed, StoredFile
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.settle import at_once, stored_of
from tracklog_artifacts.store import ArtifactStore, Stat
from tracklog_contract.errors import Rejected
from tracklog_projector.artifacts import ArtifactQueries
from tracklog_server.ledger import LogLedger

PAGE: Final = 2_000
EXAMPLES_MAX: Final = 10
FILES_AT_ONCE: Final = 500
STORE_REQUESTS_MAX: Final = 16

Found = tuple[ArtifactPath, Stat]


@dataclass(frozen=True)
class OrphanPlan:
    """What to do with files that only the store has, those up to `until_s` (since 1970).

    They are told, or with `adopt` what could be recorded; and with `act` deleted, or recorded by `principal`.
    """

    until_s: float
    adopt: bool
    act: bool
    principal: str


@dataclass
class Findings:
    """Files of one kind: how many, of how many bytes, and the first of them."""

    files: int = 0
    bytes: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, path: ArtifactPath, size_bytes: int, why: str = "") -> None:
        """One more, and why it is among them if that must be said."""
        self.files += 1
        self.bytes += size_bytes
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append("/".join(path) + (f": {why}" if why else ""))

    def lines(self, before: str, what: str) -> Iterator[str]:
        """What to tell of them: how many there are of what, and examples."""
        yield f"{before}{self.files:,} {what}, {self.bytes:,} bytes"
        for example in self.examples:
            yield f"    {example}"


class Orphans:
    """One comparison, and what it does with the files that only the store has."""

    def __init__(
        self, store: ArtifactStore, ledger: LogLedger, queries: ArtifactQueries, plan: OrphanPlan
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._queries = queries
        self._plan = plan
        self._unknown = Findings()
        self._owned = Findings()
        self._missing = Findings()

    async def compare(self) -> AsyncIterator[str]:
        """Do it, and tell what was found, line by line."""
        batch: list[Found] = []
        with tqdm(desc="files", unit=" files", delay=1, leave=False) as bar:
            async for path, stat, listed in differences(self._store, self._ledger):
                bar.update(1)
                if stat is None and listed is not None and await self._is_missing(path):
                    self._missing.add(path, listed.size_bytes or 0)
                if stat is not None and listed is None and stat.modified_s <= self._plan.until_s:
                    batch.append((path, stat))
                if len(batch) == FILES_AT_ONCE:
                    await self._take(batch)
                    batch = []
            await self._take(batch)
        for line in (*self._told(), *self._missing.lines("", "files in the log that the store lacks")):
            yield line

    def _told(self) -> Iterator[str]:
        plan = self._plan
        if plan.adopt:
            verb = "recorded " if plan.act else "would record "
            yield from self._owned.lines(verb, "files that only the store had")
        deleted = "deleted " if plan.act and not plan.adopt else ""
        yield from self._unknown.lines("", f"{deleted}files in the store that the log does not know")
        if self._owned.files and not (plan.adopt or plan.act):
            yield (
                f"    {self._owned.files:,} of them, {self._owned.bytes:,} bytes, lie where runs, models or "
                "traces keep theirs: --adopt-orphans records them"
            )

    async def _take(self, batch: list[Found]) -> None:
        """Tell, delete or record what is still known to the store only."""
        known = await self._ledger.files([path for path, _ in batch])
        coming = await at_once(self._is_coming, batch, limit=STORE_REQUESTS_MAX)
        unknown = [
            found for found, comes in zip(batch, coming, strict=True) if not comes and found[0] not in known
        ]
        owned = await self._owned_of(unknown)
        if self._plan.adopt:
            for path, stat in unknown:
                if (path, stat) not in owned:
                    self._unknown.add(path, stat.size_bytes)
            await self._adopt(owned)
            return
        for path, stat in unknown:
            self._unknown.add(path, stat.size_bytes)
        for path, stat in owned:
            self._owned.add(path, stat.size_bytes)
        if self._plan.act:
            await at_once(self._store.delete, [path for path, _ in unknown], limit=STORE_REQUESTS_MAX)

    async def _is_coming(self, found: Found) -> bool:
        """Whether it is of an upload that may be recorded yet."""
        return bool(await self._ledger.intents(found[0]))

    async def _owned_of(self, unknown: Sequence[Found]) -> list[Found]:
        """Those that lie where a run, model or trace that is not deleted keeps its files."""
        owners = await self._queries.owners(["/".join(path) for path, _ in unknown])
        found = []
        for path, stat in unknown:
            owner = owners["/".join(path)]
            # What is an experiment's alone may be anything.
            if owner is not None and owner.location and not owner.deleted:
                found.append((path, stat))
        return found

    async def _adopt(self, owned: Sequence[Found]) -> None:
        if not self._plan.act:
            for path, stat in owned:
                self._owned.add(path, stat.size_bytes)
            return
        # A listing tells no checksums, and a file may have gone meanwhile.
        stats = await at_once(self._stat, [path for path, _ in owned], limit=STORE_REQUESTS_MAX)
        files = [
            # Not where somebody records one there meanwhile.
            stored_of(path, stat, known=None)
            for (path, _), stat in zip(owned, stats, strict=True)
            if stat is not None
        ]
        if not await self._recorded(files) and len(files) > 1:
            # One that exceeds a quota, or whose run was deleted just now, must not keep back the others.
            for file in files:
                await self._recorded([file])

    async def _recorded(self, files: Sequence[StoredFile]) -> bool:
        """Record all of these, or none; of a single one it is told why not."""
        try:
            if files:
                await self._ledger.stored(files, principal=self._plan.principal)
        except Rejected as error:
            if len(files) == 1:
                self._unknown.add(files[0].path, files[0].size_bytes, error.message)
            return False
        for file in files:
            self._owned.add(file.path, file.size_bytes)
        return True

    async def _is_missing(self, path: ArtifactPath) -> bool:
        """Is it still so that the store lacks a file."""
        return await self._ledger.file(path) is not None and await self._stat(path) is None

    async def _stat(self, path: ArtifactPath) -> Stat | None:
        # Where there can be no file, there is none.
        with contextlib.suppress(Rejected):
            return await self._store.stat(path)
        return None


async def differences(
    store: ArtifactStore, ledger: Ledger
) -> AsyncIterator[tuple[ArtifactPath, Stat | None, Listed | None]]:
    """Every path once, with what the store has there and what the ledger says; at most one of them is None.

    While files come and go, one that is seen on one side only may be on both a moment later: look again.
    """
    of_store, of_ledger = store.walk(), _tree(ledger)
    stored, listed = await anext(of_store, None), await anext(of_ledger, None)
    while stored is not None or listed is not None:
        here = None if stored is None else "/".join(stored[0])
        there = None if listed is None else "/".join(listed.path)
        # "C" collation, S3's order and that of Python's texts are one and the same: by code points.
        in_store = stored is not None and (there is None or (here is not None and here <= there))
        in_ledger = listed is not None and (here is None or (there is not None and there <= here))
        path = stored[0] if in_store and stored is not None else listed.path if listed is not None else ()
        yield path, stored[1] if in_store and stored else None, listed if in_ledger else None
        if in_store:
            stored = await anext(of_store, None)
        if in_ledger:
            listed = await anext(of_ledger, None)


async def _tree(ledger: Ledger) -> AsyncIterator[Listed]:
    """Every file that the ledger knows."""
    after: ArtifactPath | None = None
    while page := await ledger.tree((), after=after, limit=PAGE):
        for item in page:
            after = item.path
            yield item
