"""Databricks' Files API for the artifacts of runs and logged models: files and directories by their paths."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from aiohttp import web

from tracklog_artifacts import paths, requests
from tracklog_artifacts.files_api_paths import Named, named
from tracklog_artifacts.files_api_uploads import FilesApiUploads
from tracklog_artifacts.ledger import Listed
from tracklog_artifacts.requests import TAIL, Route
from tracklog_artifacts.shared import Shared, pairs
from tracklog_contract.errors import EXISTS, INVALID, NOT_FOUND, Rejected

FS: Final = "/2.0/fs"
# Databricks' own most.
PAGE_MAX: Final = 1000


class FilesApi:
    """The handlers. Of all bytes only those of a file that is sent as one PUT pass through here."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._uploads = FilesApiUploads(shared)

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        files, folders = f"{FS}/files/{TAIL}", f"{FS}/directories/{TAIL}"
        return [
            ("PUT", files, self._put),
            ("GET", files, self._get),
            ("HEAD", files, self._get),
            ("DELETE", files, self._delete),
            ("POST", files, self._post),
            ("PUT", folders, self._make_folder),
            ("GET", folders, self._list),
            ("HEAD", folders, self._look_for_folder),
            ("DELETE", folders, self._delete_folder),
            ("POST", f"{FS}/create-download-url", self._download_url),
            ("POST", f"{FS}/create-upload-part-urls", self._uploads.part_urls),
            ("POST", f"{FS}/create-abort-upload-url", self._uploads.abort_url),
        ]

    async def _file(self, request: web.Request) -> Named:
        return await named(paths.decoded(requests.raw_tail(request)), self._shared.places, is_file=True)

    async def _folder(self, request: web.Request) -> Named:
        return await named(paths.decoded(requests.raw_tail(request)), self._shared.places, is_file=False)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        file = await self._file(request)
        await self._refuse_existing(request, file)
        await self._shared.intake.receive(request, file.path)
        return web.Response(status=204)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return await self._shared.answer(request, (await self._file(request)).path)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        file = await self._shared.file((await self._file(request)).path)
        await self._shared.remove(file.path)
        return web.Response(status=204)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """What its `action` says: the beginning and the end of an upload in parts."""
        file = await self._file(request)
        match requests.query(request).get("action"):
            case "initiate-upload":
                await self._refuse_existing(request, file)
                return await self._uploads.begin(file.path)
            case "complete-upload":
                return await self._uploads.complete(request, file.path)
            case other:
                raise Rejected(INVALID, f"Unknown action '{other}' of a file.")

    async def _refuse_existing(self, request: web.Request, file: Named) -> None:
        if requests.query(request).get("overwrite", "true").lower() != "false":
            return
        await self._shared.settler.settle(file.path)
        if await self._shared.ledger.file(file.path) is not None:
            raise Rejected(EXISTS, f"The file '{file.text}' is there already.")

    async def _download_url(self, request: web.Request) -> web.StreamResponse:
        query = requests.query(request)
        file = await named(requests.required(query, "path"), self._shared.places, is_file=True)
        found = await self._shared.file(file.path)
        expires_s = self._shared.link_expires_s(self._uploads.expires_s(query.get("expire_time", "")))
        url, headers = pairs(request, self._shared.store.sign_get(found.path, expires_s=expires_s))
        return requests.json({"url": url, "headers": headers})

    async def _make_folder(self, request: web.Request) -> web.StreamResponse:
        # A directory exists because files in it do: until then there is nothing to keep.
        await self._folder(request)
        return web.Response(status=204)

    async def _look_for_folder(self, request: web.Request) -> web.StreamResponse:
        await self._entries(await self._folder(request))
        return web.Response(status=200)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        folder, query = await self._folder(request), requests.query(request)
        after, size = _name_in(query.get("page_token", "")), _page_size(query.get("page_size", ""))
        entries = [entry for entry in await self._entries(folder) if entry.path[-1] > after]
        page = entries[:size]
        answer: dict[str, Any] = {"contents": [_told(folder, entry) for entry in page]}
        if len(entries) > size:
            answer["next_page_token"] = urlsafe_b64encode(page[-1].path[-1].encode()).decode()
        return requests.json(answer)

    async def _delete_folder(self, request: web.Request) -> web.StreamResponse:
        folder = await self._folder(request)
        if await self._entries(folder):
            raise Rejected(INVALID, f"The directory '{folder.text}' is not empty.")
        return web.Response(status=204)

    async def _entries(self, folder: Named) -> list[Listed]:
        """The items of a directory by name.

        Raises: Rejected, when there is none; an owner's root always is.
        """
        entries = sorted(await self._shared.entries(folder.path), key=lambda entry: entry.path[-1])
        if not entries and not folder.is_root:
            raise Rejected(NOT_FOUND, f"There is no directory '{folder.text}'.")
        return entries


def _told(folder: Named, entry: Listed) -> dict[str, Any]:
    name = entry.path[-1]
    told: dict[str, Any] = {
        "path": f"{folder.text}/{name}",
        "name": name,
        "is_directory": entry.size_bytes is None,
    }
    if entry.size_bytes is not None:
        told["file_size"] = entry.size_bytes
        told["last_modified"] = entry.recorded_ms
    return told


def _name_in(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise Rejected(INVALID, "Invalid page_token") from None


def _page_size(text: str) -> int:
    if not text:
        return PAGE_MAX
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise Rejected(INVALID, "page_size must be a whole number above 0.")
    return min(int(text), PAGE_MAX)
