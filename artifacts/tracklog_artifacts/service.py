"""The artifact endpoints over one store: MLflow's `mlflow-artifacts` proxy, and those of runs and models."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from tracklog_artifacts import paths, presigned
from tracklog_artifacts.access import check_path
from tracklog_artifacts.download import send
from tracklog_artifacts.incoming import ArtifactConfig, Uploads, refuse_encoded
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import ArtifactStore, Entry
from tracklog_contract.errors import BAD_REQUEST, INVALID, UNIMPLEMENTED, Rejected
from tracklog_contract.limits import ARTIFACT_UPLOAD_BYTES_MAX
from tracklog_contract.validate import path_part

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]

_PROXY: Final = "/2.0/mlflow-artifacts"
_MODEL: Final = "/2.0/mlflow/logged-models/{model_id}"
# `(?s:.+)` and not `.+`: a newline in a path must reach the check that refuses it.
_TAIL: Final = "{path:(?s:.+)}"
_QUERY_FIELDS_MAX: Final = 20


class Artifacts:
    """The handlers over one store.

    `artifact_uri` tells a run's artifact root from its id, `model_artifact_uri` a logged model's; they raise
    Rejected for a run or model that does not exist.
    """

    def __init__(
        self,
        store: ArtifactStore,
        artifact_uri: Callable[[str], Awaitable[str]],
        model_artifact_uri: Callable[[str], Awaitable[str]],
        config: ArtifactConfig | None = None,
    ) -> None:
        self._store = store
        self._artifact_uri = artifact_uri
        self._model_artifact_uri = model_artifact_uri
        self._uploads = Uploads(config or ArtifactConfig())

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("PUT", f"{_PROXY}/artifacts/{_TAIL}", self._upload),
            ("GET", f"{_PROXY}/artifacts/{_TAIL}", self._download),
            ("HEAD", f"{_PROXY}/artifacts/{_TAIL}", self._download),
            ("DELETE", f"{_PROXY}/artifacts/{_TAIL}", self._delete),
            ("GET", f"{_PROXY}/artifacts", self._list),
            *(
                ("POST", f"{_PROXY}/mpu/{step}/{_TAIL}", _no_multipart_upload)
                for step in ("create", "complete", "abort")
            ),
            ("GET", f"{_PROXY}/presigned/{_TAIL}", _no_multipart_download),
            ("GET", "/2.0/mlflow/artifacts/list", self._list_run),
            ("POST", "/2.0/mlflow/upload-artifact", self._upload_of_run),
            ("GET", f"{_MODEL}/artifacts/directories", self._list_model),
            ("GET", f"{_MODEL}/artifacts/files", self._download_of_model),
            ("HEAD", f"{_MODEL}/artifacts/files", self._download_of_model),
            *presigned.routes(self._artifact_uri, self._model_artifact_uri),
        ]

    def root_routes(self) -> list[Route]:
        """Routes to mount without a prefix."""
        return [
            ("GET", "/get-artifact", self._download_of_run),
            ("HEAD", "/get-artifact", self._download_of_run),
        ]

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        path = _path_to_change(request, paths.file_path)
        await check_path(path)
        refuse_encoded(request)
        with self._uploads.slot():
            await self._store.write(path, self._uploads.body(request))
        return _json({})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        path = paths.file_path(paths.decoded(_raw_tail(request)))
        await check_path(path)
        return await self._send(request, path)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        path = _path_to_change(request, paths.directory_path)
        if not path:
            raise Rejected(INVALID, "Invalid path")
        await check_path(path)
        await self._store.delete(path)
        return _json({})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        path = paths.directory_path(_query(request).get("path", ""))
        await check_path(path)
        return _json(_with_files({}, await self._store.entries(path), ()))

    async def _list_run(self, request: web.Request) -> web.StreamResponse:
        query = _query(request)
        run_id = _run_id(query)
        inside = paths.directory_path(query.get("path", ""))
        uri = await self._artifact_uri(run_id)
        entries = await self._store.entries(paths.path_of_uri(uri) + inside)
        return _json(_with_files({"root_uri": uri}, entries, inside))

    async def _download_of_run(self, request: web.Request) -> web.StreamResponse:
        query = _query(request)
        run_id = _run_id(query)
        inside = paths.file_path(_required(query, "path"))
        root = paths.path_of_uri(await self._artifact_uri(run_id))
        return await self._send(request, root + inside)

    async def _upload_of_run(self, request: web.Request) -> web.StreamResponse:
        query = _query(request)
        run_id = _specified(query, "run_uuid")
        inside = paths.file_path(_specified(query, "path"))
        refuse_encoded(request)
        if (request.content_length or 0) > ARTIFACT_UPLOAD_BYTES_MAX:
            raise _too_large()
        if not request.can_read_body:
            raise _no_data()
        root = paths.path_of_uri(await self._artifact_uri(run_id))
        with self._uploads.slot():
            await self._store.write(root + inside, _some_but_not_too_many(self._uploads.body(request)))
        return _json({})

    async def _list_model(self, request: web.Request) -> web.StreamResponse:
        inside = paths.directory_path(_query(request).get("artifact_directory_path", ""))
        uri = await self._model_artifact_uri(path_part("model_id", request.match_info["model_id"]))
        entries = await self._store.entries(paths.path_of_uri(uri) + inside)
        return _json(_with_files({"root_uri": uri}, entries, inside))

    async def _download_of_model(self, request: web.Request) -> web.StreamResponse:
        text = _query(request).get("artifact_file_path")
        if not text:
            raise Rejected(BAD_REQUEST, 'Request must include the "artifact_file_path" query parameter.')
        inside = paths.file_path(text)
        uri = await self._model_artifact_uri(path_part("model_id", request.match_info["model_id"]))
        return await self._send(request, paths.path_of_uri(uri) + inside)

    async def _send(self, request: web.Request, path: ArtifactPath) -> web.StreamResponse:
        async with self._store.open(path) as file:
            return await send(request, file, path[-1])


async def _no_multipart_upload(request: web.Request) -> web.StreamResponse:
    paths.file_path(paths.decoded(_raw_tail(request)))
    # MLflow's client compares this text, and then sends the file as one PUT.
    raise Rejected(UNIMPLEMENTED, "Multipart upload is not supported for the current artifact repository")


async def _no_multipart_download(request: web.Request) -> web.StreamResponse:
    paths.file_path(paths.decoded(_raw_tail(request)))
    raise Rejected(UNIMPLEMENTED, "Multipart download is not supported for the current artifact repository")


async def _some_but_not_too_many(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """`chunks`, as what upload-artifact takes: at least a byte, at most ARTIFACT_UPLOAD_BYTES_MAX.

    Raises: Rejected, before more is passed on.
    """
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > ARTIFACT_UPLOAD_BYTES_MAX:
            raise _too_large()
        yield chunk
    if not size_bytes:
        raise _no_data()


def _too_large() -> Rejected:
    return Rejected(INVALID, "Artifact size is too large. Max size is 10MB.")


def _no_data() -> Rejected:
    return Rejected(INVALID, "Request must specify data.")


def _raw_tail(request: web.Request) -> str:
    """The `{path}` of the URL as it came over the wire; aiohttp's own `match_info` is already decoded."""
    resource = request.match_info.route.resource
    assert resource is not None
    slashes_before = resource.canonical.partition("{")[0].count("/")
    return request.rel_url.raw_path.split("/", slashes_before)[-1]


def _path_to_change(request: web.Request, parse: Callable[[str], ArtifactPath]) -> ArtifactPath:
    """The path of a PUT or DELETE.

    Raises: Rejected also for a `?` or `#`, which MLflow's client does not escape: it was meant as part of a
    name, and what is before it names another file.
    """
    if request.rel_url.raw_query_string or request.rel_url.raw_fragment:
        raise Rejected(INVALID, "Invalid path: '?' must be sent as %3F, and no artifact's name has a '#'")
    return parse(paths.decoded(_raw_tail(request)))


def _query(request: web.Request) -> dict[str, str]:
    """The query's fields, the first of each name.

    Raises: Rejected, when it is not UTF-8 or has too many fields.
    """
    raw = request.rel_url.raw_query_string
    try:
        # Bytes that are not UTF-8 arrive as lone surrogates, which nothing after this could write down again.
        raw.encode()
        fields = parse_qsl(
            raw,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_FIELDS_MAX,
        )
    except ValueError:
        raise Rejected(INVALID, "Invalid query string") from None
    return dict(reversed(fields))


def _run_id(query: dict[str, str]) -> str:
    return query.get("run_id") or query.get("run_uuid") or _required(query, "run_id")


def _required(query: dict[str, str], name: str) -> str:
    if value := query.get(name):
        return value
    raise Rejected(
        INVALID,
        f"Missing value for required parameter '{name}'. "
        "See the API docs for more information about request parameters.",
    )


def _specified(query: dict[str, str], name: str) -> str:
    """A field that upload-artifact asks for in words of its own."""
    if value := query.get(name):
        return value
    raise Rejected(INVALID, f"Request must specify {name}.")


def _with_files(answer: dict[str, Any], entries: list[Entry], inside: ArtifactPath) -> dict[str, Any]:
    """`answer` with the entries as MLflow lists them; none of them leaves the field out."""
    if entries:
        answer["files"] = [_file_info(entry, inside) for entry in entries]
    return answer


def _file_info(entry: Entry, inside: ArtifactPath) -> dict[str, Any]:
    info: dict[str, Any] = {"path": "/".join((*inside, entry.name)), "is_dir": entry.is_dir}
    if entry.size_bytes is not None:
        info["file_size"] = entry.size_bytes
    return info


def _json(answer: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
