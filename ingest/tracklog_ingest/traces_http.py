"""MLflow's write endpoints about traces and assessments."""

from typing import Any, Final

from aiohttp import web

from tracklog_contract import trace_messages as tm
from tracklog_contract import validate
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_contract.trace_answers import TraceView, assessment_answer
from tracklog_contract.trace_events import TraceStarted
from tracklog_contract.trace_keys import ARTIFACT_LOCATION_TAG
from tracklog_ingest import trace_requests
from tracklog_ingest.assessments import CreateAssessment, DeleteAssessment, UpdateAssessment, check_size
from tracklog_ingest.http import EMPTY, MLFLOW, Route, answer, body_fields, now_ms
from tracklog_ingest.service import Ingest
from tracklog_ingest.traces import DeleteTraces, DeleteTraceTag, EndTrace, LinkTraces, SetTraceTag, StartTrace

MLFLOW_3: Final = "/3.0/mlflow"


def routes(ingest: Ingest) -> list[Route]:
    """Every write endpoint about traces, as (method, path, handler)."""
    writes = TraceWrites(ingest)
    both = [
        ("PATCH", "/traces/{trace_id}/tags", writes.set_tag),
        ("DELETE", "/traces/{trace_id}/tags", writes.delete_tag),
        ("POST", "/traces/delete-traces", writes.delete),
        ("POST", "/traces/link-to-run", writes.link),
    ]
    return [
        ("POST", f"{MLFLOW_3}/traces", writes.start),
        ("POST", f"{MLFLOW}/traces", writes.start_v2),
        ("PATCH", f"{MLFLOW}/traces/{{trace_id}}", writes.end_v2),
        *(
            (method, prefix + path, handler)
            for method, path, handler in both
            for prefix in (MLFLOW, MLFLOW_3)
        ),
        ("POST", f"{MLFLOW_3}/traces/{{trace_id}}/assessments", writes.create_assessment),
        ("PATCH", f"{MLFLOW_3}/traces/{{trace_id}}/assessments/{{assessment_id}}", writes.update_assessment),
        ("DELETE", f"{MLFLOW_3}/traces/{{trace_id}}/assessments/{{assessment_id}}", writes.delete_assessment),
    ]


class TraceWrites:
    """The handlers, over one `Ingest`."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def start(self, request: web.Request) -> web.Response:
        """POST traces, of version 3."""
        fields = await body_fields(tm.START_TRACE, request)
        info = fields["trace"].get("trace_info", {"trace_id": "", "state": 0})
        location = info.get("trace_location", {}).get("mlflow_experiment", {"experiment_id": ""})
        event = trace_requests.started(info)
        assessments = trace_requests.assessments(event.trace_id, info.get("assessments", []), now_ms())
        for document in assessments:
            check_size(document)
        trace = await self._start(
            StartTrace(
                parse_experiment_id(location["experiment_id"]),
                event,
                assessments,
                payload_bytes=request.content_length or 0,
            )
        )
        return answer({"trace": {"trace_info": trace.answer()}})

    async def _start(self, command: StartTrace) -> TraceView:
        known, location = await self._ingest.submit(command)
        event = command.event
        if known:
            return await self._ingest.traces.trace(event.trace_id)
        # All of a new trace is in the request: no need to wait for the views.
        return TraceView(
            event.trace_id, command.experiment_id, event.request_ms, event.state, event.duration_ms,
            event.client_request_id, event.request_preview, event.response_preview, event.metadata,
            {**event.tags, ARTIFACT_LOCATION_TAG: location}, command.assessments,
        )  # fmt: skip

    async def start_v2(self, request: web.Request) -> web.Response:
        """POST traces, of version 2: the server gives the id."""
        fields = await body_fields(tm.START_TRACE_V2, request)
        event = TraceStarted(
            trace_requests.new_trace_id(request.headers.get("User-Agent", "")),
            trace_requests.time_ms(fields["timestamp_ms"]),
            "IN_PROGRESS",
            metadata=trace_requests.metadata(trace_requests.pairs(fields.get("request_metadata", []))),
            tags=trace_requests.tags(trace_requests.pairs(fields.get("tags", []))),
        )
        trace = await self._start(StartTrace(parse_experiment_id(fields["experiment_id"]), event))
        return answer({"trace_info": trace.answer_v2()})

    async def end_v2(self, request: web.Request) -> web.Response:
        """PATCH traces/{trace_id}, of version 2."""
        fields = await body_fields(tm.END_TRACE_V2, request)
        trace_id = _trace_id(request)
        await self._ingest.submit(
            EndTrace(
                trace_id,
                trace_requests.time_ms(fields["timestamp_ms"]),
                tm.TRACE_STATE_NAMES[fields["status"]],
                trace_requests.metadata(trace_requests.pairs(fields.get("request_metadata", []))),
                trace_requests.tags(trace_requests.pairs(fields.get("tags", []))),
            )
        )
        return answer({"trace_info": (await self._ingest.traces.trace(trace_id)).answer_v2()})

    async def set_tag(self, request: web.Request) -> web.Response:
        """PATCH traces/{trace_id}/tags."""
        fields = await body_fields(tm.SET_TRACE_TAG, request)
        key = fields["key"]
        await self._ingest.submit(
            SetTraceTag(_trace_id(request), key, trace_requests.tag(key, fields["value"]))
        )
        return _done()

    async def delete_tag(self, request: web.Request) -> web.Response:
        """DELETE traces/{trace_id}/tags."""
        fields = await body_fields(tm.DELETE_TRACE_TAG, request)
        trace_requests.deleted_tag(fields["key"])
        await self._ingest.submit(DeleteTraceTag(_trace_id(request), fields["key"]))
        return _done()

    async def delete(self, request: web.Request) -> web.Response:
        """POST traces/delete-traces: by ids, or the oldest up to a time."""
        fields = await body_fields(tm.DELETE_TRACES, request)
        trace_ids, until = fields.get("request_ids"), fields.get("max_timestamp_millis")
        most = fields.get("max_traces")
        _check_deletion(trace_ids, until, most)
        experiment_id = parse_experiment_id(fields["experiment_id"])
        found = await self._ingest.traces.oldest_traces(experiment_id, trace_ids or None, until, most)
        deleted = await self._ingest.submit(DeleteTraces(experiment_id, found)) if found else 0
        return answer({"traces_deleted": deleted})

    async def link(self, request: web.Request) -> web.Response:
        """POST traces/link-to-run."""
        fields = await body_fields(tm.LINK_TRACES, request)
        trace_ids = [trace_requests.trace_id(text) for text in dict.fromkeys(fields["trace_ids"])]
        await self._ingest.submit(LinkTraces(fields["run_id"], trace_ids))
        return _done()

    async def create_assessment(self, request: web.Request) -> web.Response:
        """POST traces/{trace_id}/assessments."""
        fields = await body_fields(tm.CREATE_ASSESSMENT, request)
        trace_id = _trace_id(request)
        document = trace_requests.assessment(trace_id, fields["assessment"], now_ms())
        return _assessment(await self._ingest.submit(CreateAssessment(trace_id, document)))

    async def update_assessment(self, request: web.Request) -> web.Response:
        """PATCH traces/{trace_id}/assessments/{assessment_id}."""
        fields = await body_fields(tm.UPDATE_ASSESSMENT, request)
        changes = trace_requests.changes(fields["assessment"], fields["update_mask"])
        command = UpdateAssessment(_trace_id(request), _assessment_id(request), changes, now_ms())
        return _assessment(await self._ingest.submit(command))

    async def delete_assessment(self, request: web.Request) -> web.Response:
        """DELETE traces/{trace_id}/assessments/{assessment_id}."""
        await self._ingest.submit(DeleteAssessment(_trace_id(request), _assessment_id(request)))
        return _done()


def _check_deletion(trace_ids: list[str] | None, until: int | None, most: int | None) -> None:
    if until is None and not trace_ids:
        raise Rejected(INVALID, "Either `max_timestamp_millis` or `trace_ids` must be specified.")
    if until is not None and trace_ids:
        raise Rejected(INVALID, "Only one of `max_timestamp_millis` and `trace_ids` can be specified.")
    if trace_ids and most is not None:
        raise Rejected(INVALID, "`max_traces` can't be specified if `trace_ids` is specified.")
    if most is not None and most <= 0:
        raise Rejected(INVALID, f"`max_traces` must be a positive integer, received {most}.")


def _trace_id(request: web.Request) -> str:
    return trace_requests.trace_id(request.match_info["trace_id"])


def _assessment_id(request: web.Request) -> str:
    return validate.path_part("assessment_id", request.match_info["assessment_id"])


def _assessment(document: dict[str, Any]) -> web.Response:
    return answer({"assessment": assessment_answer(document)})


def _done() -> web.Response:
    return web.Response(body=EMPTY, content_type="application/json")
