"""Files of runs and logged models, asked for by id: get-artifact, upload-artifact, and listings."""

from typing import Final

from aiohttp import web

from tracklog_artifacts import paths, requests
from tracklog_artifacts.intake import no_data, too_large
from tracklog_artifacts.listing import infos_below, with_files
from tracklog_artifacts.places import Place
from tracklog_artifacts.requests import Route
from tracklog_artifacts.shared import Shared
from tracklog_contract.errors import BAD_REQUEST, INVALID, Rejected
from tracklog_contract.limits import ARTIFACT_UPLOAD_BYTES_MAX
from tracklog_contract.validate import path_part

_MODEL: Final = "/2.0/mlflow/logged-models/{model_id}"


class Owned:
    """The handlers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("GET", "/2.0/mlflow/artifacts/list", self._list_run),
            ("POST", "/2.0/mlflow/upload-artifact", self._upload_of_run),
            ("GET", f"{_MODEL}/artifacts/directories", self._list_model),
            ("GET", f"{_MODEL}/artifacts/files", self._download_of_model),
            ("HEAD", f"{_MODEL}/artifacts/files", self._download_of_model),
        ]

    def root_routes(self) -> list[Route]:
        """Routes to mount without a prefix."""
        return [
            ("GET", "/get-artifact", self._download_of_run),
            ("HEAD", "/get-artifact", self._download_of_run),
        ]

    async def _list_run(self, request: web.Request) -> web.StreamResponse:
        query = requests.query(request)
        run_id = _run_id(query)
        path = query.get("path", "")
        paths.directory_path(path)
        return await self._listed(await self._shared.places.of_run(run_id), path)

    async def _list_model(self, request: web.Request) -> web.StreamResponse:
        path = requests.query(request).get("artifact_directory_path", "")
        paths.directory_path(path)
        return await self._listed(await self._shared.places.of_model(_model_id(request)), path)

    async def _listed(self, place: Place, path: str) -> web.StreamResponse:
        entries = await self._shared.entries(place.path + paths.directory_path(path))
        return requests.json(with_files({"root_uri": place.uri}, infos_below(place.path, entries)))

    async def _download_of_run(self, request: web.Request) -> web.StreamResponse:
        query = requests.query(request)
        run_id = _run_id(query)
        inside = paths.file_path(requests.required(query, "path"))
        place = await self._shared.places.of_run(run_id)
        return await self._shared.answer(request, place.path + inside)

    async def _download_of_model(self, request: web.Request) -> web.StreamResponse:
        text = requests.query(request).get("artifact_file_path")
        if not text:
            raise Rejected(BAD_REQUEST, 'Request must include the "artifact_file_path" query parameter.')
        inside = paths.file_path(text)
        place = await self._shared.places.of_model(_model_id(request))
        return await self._shared.answer(request, place.path + inside)

    async def _upload_of_run(self, request: web.Request) -> web.StreamResponse:
        query = requests.query(request)
        run_id = _specified(query, "run_uuid")
        inside = paths.file_path(_specified(query, "path"))
        if (request.content_length or 0) > ARTIFACT_UPLOAD_BYTES_MAX:
            raise too_large(ARTIFACT_UPLOAD_BYTES_MAX)
        if not request.can_read_body:
            raise no_data()
        place = await self._shared.places.of_run(run_id)
        await self._shared.intake.receive(request, place.path + inside, bytes_max=ARTIFACT_UPLOAD_BYTES_MAX)
        return requests.json({})


def _model_id(request: web.Request) -> str:
    return path_part("model_id", request.match_info["model_id"])


def _run_id(query: dict[str, str]) -> str:
    return query.get("run_id") or query.get("run_uuid") or requests.required(query, "run_id")


def _specified(query: dict[str, str], name: str) -> str:
    """A field that upload-artifact asks for in words of its own."""
    if value := query.get(name):
        return value
    raise Rejected(INVALID, f"Request must specify {name}.")
