"""MLflow's read endpoints about traces and assessments."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from tracklog_contract import trace_messages as tm
from tracklog_contract import validate
from tracklog_contract.errors import BAD_REQUEST, INVALID, NOT_FOUND, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_contract.limits import BATCH_GET_TRACES_MAX
from tracklog_contract.trace_answers import TraceView, assessment_answer
from tracklog_projector.http import MLFLOW, Route, answer, request_fields
from tracklog_projector.traces import TraceQueries

MLFLOW_3: Final = "/3.0/mlflow"
DATA_FILE: Final = "traces.json"


def routes(traces: TraceQueries) -> list[Route]:
    """Every read endpoint about traces, as (method, path, handler)."""
    reads = TraceReads(traces)
    return [
        ("GET", f"{MLFLOW_3}/traces/get", reads.get_with_spans),
        ("GET", f"{MLFLOW_3}/traces/batchGet", reads.batch_get),
        ("POST", f"{MLFLOW_3}/traces/batchGetInfos", reads.batch_get_infos),
        ("POST", f"{MLFLOW_3}/traces/search", reads.search),
        ("GET", f"{MLFLOW_3}/traces/{{trace_id}}", reads.get),
        ("GET", f"{MLFLOW_3}/traces/{{trace_id}}/assessments/{{assessment_id}}", reads.get_assessment),
        ("GET", f"{MLFLOW}/traces/{{trace_id}}/info", reads.get_v2),
        ("GET", f"{MLFLOW}/traces", reads.search_v2),
        ("GET", f"{MLFLOW}/get-trace-artifact", reads.get_artifact),
    ]


class TraceReads:
    """The handlers, over one `TraceQueries`."""

    def __init__(self, traces: TraceQueries) -> None:
        self._traces = traces

    async def get(self, request: web.Request) -> web.Response:
        """GET traces/{trace_id}, of version 3."""
        trace = await self._traces.trace(_part(request, "trace_id"))
        return answer({"trace": {"trace_info": trace.answer()}})

    async def get_v2(self, request: web.Request) -> web.Response:
        """GET traces/{trace_id}/info, of version 2."""
        trace = await self._traces.trace(_part(request, "trace_id"))
        return answer({"trace_info": trace.answer_v2()})

    async def get_with_spans(self, request: web.Request) -> web.Response:
        """traces/get."""
        fields = await request_fields(tm.GET_TRACE, request)
        found = await self._traces.with_spans(fields["trace_id"], allow_partial=fields["allow_partial"])
        return answer({"trace": with_spans(*found)})

    async def batch_get(self, request: web.Request) -> web.Response:
        """traces/batchGet."""
        found = await self._traces.batch(*await asked_for(request))
        return answer({"traces": [with_spans(*item) for item in found]} if found else {})

    async def batch_get_infos(self, request: web.Request) -> web.Response:
        """traces/batchGetInfos."""
        found = await self._traces.traces(*await asked_for(request))
        return answer({"trace_infos": [trace.answer() for trace in found]} if found else {})

    async def search(self, request: web.Request) -> web.Response:
        """traces/search, of version 3."""
        fields = await request_fields(tm.SEARCH_TRACES, request)
        traces, token = await search(self._traces, experiments_of(fields["locations"]), fields)
        return answer(_page([trace.answer() for trace in traces], token))

    async def search_v2(self, request: web.Request) -> web.Response:
        """GET traces, of version 2."""
        fields = await request_fields(tm.SEARCH_TRACES_V2, request)
        traces, token = await search(self._traces, fields["experiment_ids"], fields)
        return answer(_page([trace.answer_v2() for trace in traces], token))

    async def get_assessment(self, request: web.Request) -> web.Response:
        """GET traces/{trace_id}/assessments/{assessment_id}."""
        document = await self._traces.assessment(_part(request, "trace_id"), _part(request, "assessment_id"))
        return answer({"assessment": assessment_answer(document)})

    async def get_artifact(self, request: web.Request) -> web.Response:
        """get-trace-artifact: the spans, as MLflow's page reads them."""
        trace_id = request.query.get("request_id", "")
        if not trace_id:
            raise Rejected(BAD_REQUEST, 'Request must include the "request_id" query parameter.')
        if request.query.get("path"):
            raise Rejected(NOT_FOUND, "Traces have no attachments here.")
        text = await self._traces.data(validate.path_part("request_id", trace_id))
        headers = {
            "Content-Disposition": f"attachment; filename={DATA_FILE}",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=text, content_type="application/octet-stream", headers=headers)


def experiments_of(locations: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of the experiments among the decoded TraceLocations of a request."""
    return [
        location["mlflow_experiment"]["experiment_id"]
        for location in locations
        if "mlflow_experiment" in location
    ]


async def search(
    traces: TraceQueries, experiment_ids: Sequence[str], fields: Mapping[str, Any]
) -> tuple[list[TraceView], str]:
    """The page of traces that a decoded search asks for, and the token of the next one.

    Raises: Rejected, when the filter, order, token or number is wrong.
    """
    validate.search_max_results(fields["max_results"])
    return await traces.search(
        [parse_experiment_id(text) for text in dict.fromkeys(experiment_ids)],
        filter=fields["filter"],
        order_by=fields.get("order_by", []),
        limit=fields["max_results"],
        page_token=fields.get("page_token", ""),
    )


async def asked_for(request: web.Request) -> tuple[list[str], list[int] | None]:
    """The trace ids that a request names, and the experiments they must be in."""
    fields = await request_fields(tm.BATCH_GET_TRACES, request)
    if len(fields["trace_ids"]) > BATCH_GET_TRACES_MAX:
        raise Rejected(INVALID, f"At most {BATCH_GET_TRACES_MAX} traces can be asked for at once.")
    for trace_id in fields["trace_ids"]:
        validate.path_part("trace_ids", trace_id)
    scope = fields.get("experiment_ids")
    return fields["trace_ids"], None if scope is None else [parse_experiment_id(text) for text in scope]


def with_spans(trace: TraceView, spans: list[dict[str, Any]]) -> dict[str, Any]:
    """MLflow's Trace."""
    return {"trace_info": trace.answer(), **({"spans": spans} if spans else {})}


def _page(traces: list[dict[str, Any]], token: str) -> dict[str, Any]:
    return {**({"traces": traces} if traces else {}), **({"next_page_token": token} if token else {})}


def _part(request: web.Request, name: str) -> str:
    return validate.path_part(name, request.match_info[name])
