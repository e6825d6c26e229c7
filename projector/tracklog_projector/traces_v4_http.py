"""Version 4 of the read endpoints about traces, which only clients of the Databricks flavour know.

There, traces may also be in tables of Unity Catalog, which are not here: a request about them finds no
endpoint, which such a client has words for.
"""

from typing import Any, Final

from aiohttp import web

from tracklog_contract import trace_messages as tm
from tracklog_contract.errors import ENDPOINT_NOT_FOUND, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_projector.http import Route, answer, request_fields
from tracklog_projector.traces import TraceQueries
from tracklog_projector.traces_http import asked_for, experiments_of, search, with_spans

MLFLOW_4: Final = "/4.0/mlflow/traces"
# As the client names the location of a trace that is in no table.
NOWHERE: Final = "None"


def routes(traces: TraceQueries) -> list[Route]:
    """The endpoints, as (method, path, handler)."""
    reads = TraceReadsV4(traces)
    return [
        ("POST", f"{MLFLOW_4}/search", reads.search),
        ("POST", f"{MLFLOW_4}/search-long-running", reads.search_long_running),
        ("GET", f"{MLFLOW_4}/{{location}}/batchGet", reads.batch_get),
    ]


class TraceReadsV4:
    """The handlers, over one `TraceQueries`."""

    def __init__(self, traces: TraceQueries) -> None:
        self._traces = traces

    async def search(self, request: web.Request) -> web.Response:
        """traces/search."""
        return answer(await self._found(request))

    async def search_long_running(self, request: web.Request) -> web.Response:
        """traces/search-long-running: over before it is answered, so there is no operation to ask for."""
        return answer({"name": "operations/done", "done": True, "response": await self._found(request)})

    async def _found(self, request: web.Request) -> dict[str, Any]:
        fields = await request_fields(tm.SEARCH_TRACES, request)
        places = experiments_of(fields["locations"])
        if len(places) < len(fields["locations"]):
            raise _no_tables()
        traces, token = await search(self._traces, places, fields)
        infos = {"trace_infos": [trace.answer() for trace in traces]} if traces else {}
        return {**infos, **({"next_page_token": token} if token else {})}

    async def batch_get(self, request: web.Request) -> web.Response:
        """traces/{location}/batchGet: of an experiment's id, or of no location."""
        location = request.match_info["location"]
        trace_ids, scope = await asked_for(request)
        if location != NOWHERE:
            if not location.isdecimal():
                raise _no_tables()
            scope = [parse_experiment_id(location)]
        found = await self._traces.batch(trace_ids, scope)
        return answer({"traces": [with_spans(*item) for item in found]} if found else {})


def _no_tables() -> Rejected:
    return Rejected(ENDPOINT_NOT_FOUND, "Traces are in experiments here, and not in tables of Unity Catalog.")
