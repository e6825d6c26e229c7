"""What all ways in and out of one store share."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from aiohttp import web

from tracklog_artifacts import requests
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.download import attachment_headers
from tracklog_artifacts.in_parts import InParts
from tracklog_artifacts.intake import Intake
from tracklog_artifacts.ledger import Intent, Ledger, Listed
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.places import Places
from tracklog_artifacts.settle import Settler
from tracklog_artifacts.store import ArtifactStore, SignedRequest
from tracklog_contract.caller import caller
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected

# A signature takes up to a millisecond: other requests are to be served between so many.
SIGNED_AT_ONCE: Final = 20


@dataclass(frozen=True)
class Shared:
    """A store, what the log knows of it, and what reads and writes both."""

    store: ArtifactStore
    ledger: Ledger
    places: Places
    intake: Intake
    in_parts: InParts
    settler: Settler
    config: ArtifactConfig

    async def file(self, path: ArtifactPath) -> Listed:
        """The file at `path`, also one that came without a word.

        Raises: Rejected, when there is none, or it is a directory.
        """
        await self.settler.settle(path)
        found = await self.ledger.file(path)
        if found is not None:
            return found
        if await self.ledger.entries(path):
            raise Rejected(INVALID, f"Artifact path refers to a directory, not a file: '{'/'.join(path)}'")
        raise no_such(path)

    async def files(self, paths: Sequence[ArtifactPath]) -> Mapping[ArtifactPath, Listed]:
        """Those of these files that there are, all of one owner."""
        if paths:
            await self.settler.settle(_common(paths))
        return await self.ledger.files(paths)

    async def entries(self, path: ArtifactPath) -> Sequence[Listed]:
        """The items of the directory at `path`, sorted by name; none when there is no such directory."""
        await self.settler.settle(path)
        return await self.ledger.entries(path)

    async def answer(self, request: web.Request, path: ArtifactPath) -> web.StreamResponse:
        """The answer to a GET or HEAD of the file at `path`: where it is, or what a GET would say of it.

        A HEAD is answered here, for what is signed for GET is refused for it.
        """
        file = await self.file(path)
        if request.method != "HEAD":
            return requests.to_signed(self.store.sign_get(path, expires_s=self.config.url_expires_s))
        response = web.StreamResponse(headers=attachment_headers(path[-1]))
        response.content_length = file.size_bytes
        response.last_modified = file.recorded_ms // 1000
        if file.etag:
            response.etag = file.etag
        await response.prepare(request)
        return response

    async def remove(self, path: ArtifactPath) -> None:
        """Remove a file or directory: from the log first, so that no listing shows what is gone."""
        await self.ledger.removed(path)
        await self.store.delete(path)

    def link_expires_s(self, wanted_s: int) -> int:
        """For how long to sign a link that a client wants for so long.

        A link outlives its asker's rights: with authentication it is no longer good than where nobody says.
        """
        return wanted_s if caller().rights is None else min(wanted_s, self.config.url_expires_s)

    async def intend(self, paths: Sequence[ArtifactPath], *, url_expires_s: int) -> None:
        """Remember that uploads of any size may come to these paths without a word."""
        expires_at_s = time.time() + url_expires_s + self.config.upload_expires_s
        await self.ledger.intended([Intent(path, None, expires_at_s) for path in paths])


def no_such(path: ArtifactPath) -> Rejected:
    """That there is no such file."""
    return Rejected(NOT_FOUND, f"No such artifact: '{'/'.join(path)}'")


async def breathe(number: int) -> None:
    """Let other requests be served now and then, in a loop that signs; `number` counts its rounds."""
    if number % SIGNED_AT_ONCE == SIGNED_AT_ONCE - 1:
        await asyncio.sleep(0)


def pairs(request: web.Request, signed: SignedRequest) -> tuple[str, list[dict[str, str]]]:
    """A signed request's absolute URL, and its headers as a list of names and values."""
    headers = [{"name": name, "value": value} for name, value in signed.headers.items()]
    return requests.absolute(request, signed.url), headers


def _common(paths: Sequence[ArtifactPath]) -> ArtifactPath:
    """The directory, or file, that holds all of these."""
    least, greatest = min(paths), max(paths)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, greatest, strict=False))
    return tuple(name for name, _ in same)
