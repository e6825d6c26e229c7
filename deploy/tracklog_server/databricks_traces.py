"""How clients of the Databricks flavour write and read the spans of a trace: as traces.json, by a signed URL.

Such a client sends no spans by OTLP. It asks for credentials instead, and puts the spans where they say; here
that leads to the log, so that they are as all other spans. Attachments go to the artifact store.
"""

from typing import Final

from aiohttp import web

from tracklog_artifacts import requests
from tracklog_artifacts.service import Artifacts
from tracklog_contract.caller import ANYONE, CALLER, Caller, Need, caller
from tracklog_contract.databricks_messages import TRACE_DATA
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.span_documents import document_of, read_document
from tracklog_contract.trace_answers import TraceView
from tracklog_contract.trace_keys import ARTIFACT_LOCATION_TAG
from tracklog_contract.validate import path_part
from tracklog_ingest.service import Ingest
from tracklog_ingest.trace_requests import span_parts
from tracklog_ingest.traces import RecordData
from tracklog_projector.traces import TraceQueries
from tracklog_projector.traces_http import DATA_FILE
from tracklog_server.access.authenticator import Authenticator
from tracklog_server.access.request_rates import RequestRates
from tracklog_server.middleware import Handler
from tracklog_server.trace_urls import PREFIX, TraceUrls

_CREDENTIALS: Final = "/2.0/mlflow/traces/{trace_id}/credentials-for-data-"
# What a client does with such a URL: a plain GET or PUT.
_KIND: Final = "AWS_PRESIGNED_URL"
_NEEDS: Final = {"GET": Need.READ, "PUT": Need.EDIT}


class TraceData:
    """The handlers. `authenticator`: None on a server without authentication."""

    def __init__(
        self,
        ingest: Ingest,
        traces: TraceQueries,
        artifacts: Artifacts,
        urls: TraceUrls,
        authenticator: Authenticator | None,
        rates: RequestRates | None,
    ) -> None:
        self._ingest = ingest
        self._traces = traces
        self._artifacts = artifacts
        self._urls = urls
        self._authenticator = authenticator
        self._rates = rates

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Routes to mount under each API prefix."""
        return [
            ("GET", f"{_CREDENTIALS}upload", self.to_write),
            ("GET", f"{_CREDENTIALS}download", self.to_read),
        ]

    def root_routes(self) -> list[tuple[str, str, Handler]]:
        """Routes to mount without a prefix: the signed URLs, which ask for no token."""
        return [("PUT", f"{PREFIX}{{trace_id}}", self.write), ("GET", f"{PREFIX}{{trace_id}}", self.read)]

    async def to_write(self, request: web.Request) -> web.Response:
        """GET credentials-for-data-upload: for the spans, or the file that `path` names."""
        trace, inside = await self._asked(request)
        if inside == DATA_FILE:
            return await self._to_data(request, "PUT", trace.trace_id)
        info = await self._artifacts.credentials.to_write(request, _place(trace), inside)
        return requests.json({"credential_info": info})

    async def to_read(self, request: web.Request) -> web.Response:
        """GET credentials-for-data-download: likewise."""
        trace, inside = await self._asked(request)
        if inside == DATA_FILE:
            return await self._to_data(request, "GET", trace.trace_id)
        info = await self._artifacts.credentials.to_read(request, _place(trace), inside)
        return requests.json({"credential_info": info})

    async def _asked(self, request: web.Request) -> tuple[TraceView, str]:
        fields = await requests.message(TRACE_DATA, request)
        trace = await self._traces.trace(path_part("trace_id", request.match_info["trace_id"]))
        return trace, fields.get("path") or DATA_FILE

    async def _to_data(self, request: web.Request, method: str, trace_id: str) -> web.Response:
        who = caller()
        url = await self._urls.signed(method, trace_id, who.principal, who.workspace)
        info = {"signed_uri": requests.absolute(request, url), "headers": [], "type": _KIND}
        return requests.json({"credential_info": info})

    async def write(self, request: web.Request) -> web.Response:
        """PUT of the spans: all of them are in the log when it is answered."""
        trace_id = await self._granted(request)
        body = await request.read()
        parts = span_parts(read_document(trace_id, body))
        if not parts:
            raise Rejected(INVALID, "There are no spans in the trace's data.")
        trace = await self._traces.trace(trace_id)
        await self._ingest.submit(RecordData(trace.experiment_id, parts, payload_bytes=len(body)))
        return web.Response()

    async def read(self, request: web.Request) -> web.Response:
        """GET of the spans."""
        document = document_of(await self._traces.data(await self._granted(request)))
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=document, content_type="application/octet-stream", headers=headers)

    async def _granted(self, request: web.Request) -> str:
        """The trace that a URL is for; from here on the request is that of whom it was signed for."""
        trace_id = path_part("trace_id", request.match_info["trace_id"])
        grant = await self._urls.granted(request.method, trace_id, request.rel_url.raw_query_string)
        who = await self._holder(grant.principal, grant.workspace, _NEEDS[grant.method])
        if self._rates is not None:
            await self._rates.take(who)
        CALLER.set(who)
        return trace_id

    async def _holder(self, principal: str, workspace: str, need: Need) -> Caller:
        if self._authenticator is None:
            return ANYONE
        return await self._authenticator.on_behalf_of(principal, workspace, need)


def _place(trace: TraceView) -> str:
    return trace.tags.get(ARTIFACT_LOCATION_TAG, "")
