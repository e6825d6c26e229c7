"""Compares the artifact store with what the log knows of it: both are walked once, in the same order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from tracklog_artifacts.ledger import Ledger, Listed
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import ArtifactStore, Stat

PAGE: Final = 2_000
EXAMPLES_MAX: Final = 10


@dataclass
class Findings:
    """Files of one kind: how many, of how many bytes, and the first of them."""

    files: int = 0
    bytes: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, path: ArtifactPath, size_bytes: int) -> None:
        """One more."""
        self.files += 1
        self.bytes += size_bytes
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append("/".join(path))


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
