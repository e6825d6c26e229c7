"""MLflow's artifact proxy: files by their paths in the store, as `mlflow-artifacts:` clients ask for them."""

from typing import Final

from aiohttp import web

from tracklog_artifacts import paths, requests
from tracklog_artifacts.listing import infos_below, with_files
from tracklog_artifacts.requests import TAIL, Route
from tracklog_artifacts.shared import Shared
from tracklog_contract.errors import INVALID, Rejected

PROXY: Final = "/2.0/mlflow-artifacts"


class Proxy:
    """The handlers. Uploads stream through; a download is answered with where to get it."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("PUT", f"{PROXY}/artifacts/{TAIL}", self._upload),
            ("GET", f"{PROXY}/artifacts/{TAIL}", self._download),
            ("HEAD", f"{PROXY}/artifacts/{TAIL}", self._download),
            ("DELETE", f"{PROXY}/artifacts/{TAIL}", self._delete),
            ("GET", f"{PROXY}/artifacts", self._list),
        ]

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        path = requests.path_to_change(request, paths.file_path)
        await self._shared.intake.receive(request, path)
        return requests.json({})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return await self._shared.answer(request, requests.path_to_read(request))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        path = requests.path_to_change(request, paths.directory_path)
        if not path:
            raise Rejected(INVALID, "Invalid path")
        await self._shared.remove(path)
        return requests.json({})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        path = paths.directory_path(requests.query(request).get("path", ""))
        entries = await self._shared.entries(path)
        return requests.json(with_files({}, infos_below(path, entries)))
