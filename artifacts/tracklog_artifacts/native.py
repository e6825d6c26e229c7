"""tracklog's own artifact endpoints: many files a request, whose bytes go straight to the store."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from tracklog_artifacts import native_wire as wire
from tracklog_artifacts import paths, requests
from tracklog_artifacts.ledger import Listed
from tracklog_artifacts.native_uploads import Coming, NativeUploads, Plan, resolved, size_of_part
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.requests import Route
from tracklog_artifacts.shared import Shared, breathe, no_such
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.inflow import Inflow
from tracklog_contract.limits import JSON_BODY_BYTES_MAX

NATIVE: Final = "/tracklog/v1/artifacts"


class Native:
    """The handlers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._uploads = NativeUploads(shared)
        self._inflow = Inflow(shared.config.bundle_bytes_max)

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("POST", f"{NATIVE}/uploads", self._upload),
            ("POST", f"{NATIVE}/bundle", self._bundle),
            ("POST", f"{NATIVE}/parts", self._parts),
            ("POST", f"{NATIVE}/complete", self._complete),
            ("POST", f"{NATIVE}/downloads", self._download),
            ("POST", f"{NATIVE}/list", self._list),
            ("POST", f"{NATIVE}/delete", self._delete),
        ]

    async def _root(self, asked: wire.Owned) -> ArtifactPath:
        place = await self._shared.places.of_either(asked.run_id, asked.model_id)
        return place.path

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        asked = await requests.body(wire.Uploads, request)
        plans = await self._uploads.plan(await self._root(asked), asked.files, bundle=asked.bundle)
        return requests.json({"files": [self._told(request, plan) for plan in plans]})

    def _told(
        self, request: web.Request, plan: Plan
    ) -> wire.Stored | wire.Bundled | wire.Single | wire.Multipart | wire.Refused:
        if not isinstance(plan, Coming):
            return plan
        if plan.signed is not None:
            url = requests.absolute(request, plan.signed.url)
            return wire.Single(plan.file.path, url, dict(plan.signed.headers))
        there = [wire.PartThere(part.number, part.size_bytes, part.etag) for part in plan.there]
        part_size = self._uploads.part_size(plan.file.size)
        return wire.Multipart(plan.file.path, plan.upload_id, part_size, there)

    async def _bundle(self, request: web.Request) -> web.StreamResponse:
        with self._inflow.within(request.content_length or JSON_BODY_BYTES_MAX):
            asked = await requests.packed_body(wire.Bundle, request)
            size = sum(len(file.data) for file in asked.files)
            if size > wire.BUNDLE_BYTES_MAX:
                raise Rejected(INVALID, f"A bundle has at most {wire.BUNDLE_BYTES_MAX} bytes of files.")
            with self._inflow.within(size):
                return requests.json(
                    {"files": await self._uploads.take(await self._root(asked), asked.files)}
                )

    async def _parts(self, request: web.Request) -> web.StreamResponse:
        asked = await requests.body(wire.Parts, request)
        path = await self._root(asked) + paths.file_path(asked.path)
        intent = await self._shared.in_parts.intent(path, asked.upload_id)
        if intent.size_bytes is None:
            raise Rejected(INVALID, "This upload was not begun by /uploads.")
        part_size = self._uploads.part_size(intent.size_bytes)
        answers = []
        for count, number in enumerate(asked.numbers):
            await breathe(count)
            signed = self._shared.store.sign_part(
                path,
                asked.upload_id,
                number,
                expires_s=self._shared.config.url_expires_s,
                size_bytes=size_of_part(number, intent.size_bytes, part_size),
            )
            url = requests.absolute(request, signed.url)
            answers.append(wire.SignedPart(number, url, dict(signed.headers)))
        return requests.json({"parts": answers})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = await requests.body(wire.Complete, request)
        return requests.json({"files": await self._uploads.complete(await self._root(asked), asked.files)})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        asked = await requests.body(wire.Paths, request)
        root = await self._root(asked)
        wanted, refused = resolved(root, asked.paths)
        found = await self._shared.files(wanted)
        answers: dict[str, wire.Download | wire.Refused] = {refusal.path: refusal for refusal in refused}
        for number, path in enumerate(wanted):
            await breathe(number)
            answer = self._signed(request, root, path, found.get(path))
            answers[answer.path] = answer
        return requests.json({"files": [answers[text] for text in asked.paths]})

    def _signed(
        self, request: web.Request, root: ArtifactPath, path: ArtifactPath, file: Listed | None
    ) -> wire.Download | wire.Refused:
        text = "/".join(path[len(root) :])
        if file is None or file.size_bytes is None:
            error = no_such(path)
            return wire.Refused(text, error.error_code, error.message)
        signed = self._shared.store.sign_get(path, expires_s=self._shared.config.url_expires_s)
        url = requests.absolute(request, signed.url)
        return wire.Download(text, file.size_bytes, file.sha256, file.etag, url, dict(signed.headers))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        asked = await requests.body(wire.Listing, request)
        root = await self._root(asked)
        folder = root + paths.directory_path(asked.path)
        after = root + _path_in(asked.page_token) if asked.page_token else None
        page = await (self._tree if asked.recursive else self._folder)(folder, after)
        more = len(page) > wire.LIST_PAGE_MAX
        page = page[: wire.LIST_PAGE_MAX]
        return requests.json(
            {
                "files": [_listed(root, entry) for entry in page],
                "next_page_token": _token(page[-1].path[len(root) :]) if more else "",
            }
        )

    async def _tree(self, folder: ArtifactPath, after: ArtifactPath | None) -> Sequence[Listed]:
        await self._shared.settler.settle(folder)
        return await self._shared.ledger.tree(folder, after=after, limit=wire.LIST_PAGE_MAX + 1)

    async def _folder(self, folder: ArtifactPath, after: ArtifactPath | None) -> Sequence[Listed]:
        entries = await self._shared.entries(folder)
        return [entry for entry in entries if after is None or entry.path > after]

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        asked = await requests.body(wire.Paths, request)
        root = await self._root(asked)
        # All of them are looked at before the first is gone.
        for path in [root + paths.file_path(text.removesuffix("/")) for text in asked.paths]:
            await self._shared.remove(path)
        return requests.json({})


def _listed(root: ArtifactPath, entry: Listed) -> wire.ListedFile:
    text = "/".join(entry.path[len(root) :])
    return wire.ListedFile(text, entry.size_bytes is None, entry.size_bytes or 0, entry.sha256)


def _token(path: ArtifactPath) -> str:
    return urlsafe_b64encode("/".join(path).encode()).decode()


def _path_in(token: str) -> ArtifactPath:
    try:
        text = urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise Rejected(INVALID, "Invalid page_token") from None
    return paths.file_path(text)
