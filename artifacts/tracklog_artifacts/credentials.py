"""Databricks' protocol of credentials: signed requests for many files of a run or a logged model at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web

from tracklog_artifacts import paths, requests
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.places import place_of
from tracklog_artifacts.requests import Route
from tracklog_artifacts.shared import Shared, breathe, no_such, pairs
from tracklog_artifacts.store import SignedRequest
from tracklog_contract import artifact_messages as m
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.validate import path_part

_RUN: Final = "/2.0/mlflow/artifacts"
_MODEL: Final = "/2.0/mlflow/logged-models/{model_id}/artifacts"
# What a client does with such a URL is what S3 asks for, whatever the store is.
_KIND: Final = "AWS_PRESIGNED_URL"
PAGE_PATHS_MAX: Final = 500

_Sign = Callable[[Sequence[ArtifactPath]], Awaitable[list[SignedRequest]]]


class Credentials:
    """The handlers. An upload of one file ends without a word; whoever looks at its place finds it."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        return [
            ("POST", f"{_RUN}/credentials-for-read", self._read_run),
            ("POST", f"{_RUN}/credentials-for-write", self._write_run),
            ("POST", f"{_MODEL}/credentials-for-download", self._read_model),
            ("POST", f"{_MODEL}/credentials-for-upload", self._write_model),
            ("POST", f"{_RUN}/create-multipart-upload", self._create),
            ("GET", f"{_RUN}/get-presigned-upload-part-url", self._part),
            ("POST", f"{_RUN}/complete-multipart-upload", self._complete),
        ]

    async def to_read(self, request: web.Request, uri: str, inside: str) -> dict[str, Any]:
        """What lets one read the file `inside` the place at `uri`.

        Raises: Rejected, when there is none, or the caller may not.
        """
        (signed,) = await self._signed_to_read([place_of(uri).path + paths.file_path(inside)])
        return _info(request, signed, inside)

    async def to_write(self, request: web.Request, uri: str, inside: str) -> dict[str, Any]:
        """What lets one write the file `inside` the place at `uri`.

        Raises: Rejected, when nothing may be stored there, or not by the caller.
        """
        (signed,) = await self._signed_to_write([place_of(uri).path + paths.file_path(inside)])
        return _info(request, signed, inside)

    async def _read_run(self, request: web.Request) -> web.StreamResponse:
        return await self._of_run(request, self._signed_to_read)

    async def _write_run(self, request: web.Request) -> web.StreamResponse:
        return await self._of_run(request, self._signed_to_write)

    async def _of_run(self, request: web.Request, sign: _Sign) -> web.StreamResponse:
        fields = await requests.message(m.CREDENTIALS_OF_RUN, request)
        run_id = fields["run_id"]
        page, token = _page(fields.get("path", []), fields["page_token"])
        place = await self._shared.places.of_any(run_id)
        signed = await sign([place.path + paths.file_path(text) for text in page])
        infos = [_info(request, s, text, run_id) for text, s in zip(page, signed, strict=True)]
        return requests.json({"credential_infos": infos, **token})

    async def _read_model(self, request: web.Request) -> web.StreamResponse:
        return await self._of_model(request, self._signed_to_read)

    async def _write_model(self, request: web.Request) -> web.StreamResponse:
        return await self._of_model(request, self._signed_to_write)

    async def _of_model(self, request: web.Request, sign: _Sign) -> web.StreamResponse:
        fields = await requests.message(m.CREDENTIALS_OF_MODEL, request)
        model_id = path_part("model_id", request.match_info["model_id"])
        page, token = _page(fields.get("paths", []), fields["page_token"])
        place = await self._shared.places.of_model(model_id)
        signed = await sign([place.path + paths.file_path(text) for text in page])
        infos = [_info(request, s, text) for text, s in zip(page, signed, strict=True)]
        credentials = [{"model_id": model_id, "credential_info": info} for info in infos]
        return requests.json({"credentials": credentials, **token})

    async def _signed_to_read(self, wanted: Sequence[ArtifactPath]) -> list[SignedRequest]:
        shared = self._shared
        found = await shared.files(wanted)
        signed = []
        for number, path in enumerate(wanted):
            await breathe(number)
            if path not in found:
                raise no_such(path)
            signed.append(shared.store.sign_get(path, expires_s=shared.config.url_expires_s))
        return signed

    async def _signed_to_write(self, wanted: Sequence[ArtifactPath]) -> list[SignedRequest]:
        shared, expires_s = self._shared, self._shared.config.url_expires_s
        signed = []
        for number, path in enumerate(wanted):
            await breathe(number)
            signed.append(shared.store.sign_put(path, expires_s=expires_s, size_bytes=None))
        # Only what can be stored; and what is not remembered is not handed out.
        await shared.intend(wanted, url_expires_s=expires_s)
        return signed

    async def _create(self, request: web.Request) -> web.StreamResponse:
        fields = await requests.message(m.CREATE_OF_RUN, request)
        shared, count = self._shared, fields["num_parts"]
        if not 1 <= count <= shared.store.parts_max:
            raise Rejected(
                INVALID, f"num_parts must be between 1 and {shared.store.parts_max} (got {count})."
            )
        path = await self._path(fields)
        upload_id = await shared.in_parts.begin(path)
        infos = []
        for number in range(1, count + 1):
            await breathe(number)
            part = self._signed_part(path, upload_id, number)
            infos.append(_info(request, part, fields["path"], fields["run_id"]))
        expires_s = shared.config.multipart_expires_s
        abort = shared.store.sign_abort(path, upload_id, expires_s=expires_s)
        return requests.json(
            {
                "upload_id": upload_id,
                "upload_credential_infos": infos,
                "abort_credential_info": _info(request, abort, fields["path"], fields["run_id"]),
            }
        )

    async def _part(self, request: web.Request) -> web.StreamResponse:
        fields = await requests.message(m.PART_OF_RUN, request)
        path = await self._path(fields)
        if not 1 <= fields["part_number"] <= self._shared.store.parts_max:
            raise Rejected(INVALID, f"There is no part {fields['part_number']}.")
        await self._shared.in_parts.intent(path, fields["upload_id"])
        signed = self._signed_part(path, fields["upload_id"], fields["part_number"])
        info = _info(request, signed, fields["path"], fields["run_id"])
        return requests.json({"upload_credential_info": info})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        fields = await requests.message(m.COMPLETE_OF_RUN, request)
        path = await self._path(fields)
        parts = [(part["part_number"], part["etag"]) for part in fields["part_etags"]]
        await self._shared.in_parts.complete(path, fields["upload_id"], parts)
        return requests.json({})

    async def _path(self, fields: dict[str, Any]) -> ArtifactPath:
        inside = paths.file_path(fields["path"])
        return (await self._shared.places.of_any(fields["run_id"])).path + inside

    def _signed_part(self, path: ArtifactPath, upload_id: str, number: int) -> SignedRequest:
        expires_s = self._shared.config.parts_expire_s
        return self._shared.store.sign_part(path, upload_id, number, expires_s=expires_s, size_bytes=None)


def _page(wanted: Sequence[str], token: str) -> tuple[Sequence[str], dict[str, str]]:
    """The paths that a page is about, and the token of the next one, where there is one."""
    if len(wanted) > m.CREDENTIALS_PATHS_MAX:
        raise Rejected(INVALID, f"At most {m.CREDENTIALS_PATHS_MAX} paths may be asked for at once.")
    if not (token == "" or (token.isascii() and token.isdigit() and len(token) < 9)):
        raise Rejected(INVALID, "Invalid page_token")
    start = int(token or 0)
    end = start + PAGE_PATHS_MAX
    return wanted[start:end], {"next_page_token": str(end)} if end < len(wanted) else {}


def _info(request: web.Request, signed: SignedRequest, path: str, run_id: str = "") -> dict[str, Any]:
    url, headers = pairs(request, signed)
    return {"run_id": run_id, "path": path, "signed_uri": url, "headers": headers, "type": _KIND}
