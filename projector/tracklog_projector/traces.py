"""The read side of traces: waits until the views hold what was written, then answers from them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from tracklog_contract import bounded_json
from tracklog_contract.caller import caller
from tracklog_contract.errors import INVALID, INVALID_STATE, NOT_FOUND, Rejected
from tracklog_contract.spans import read_spans
from tracklog_contract.sqlfiles import statements
from tracklog_contract.trace_answers import TraceView
from tracklog_contract.trace_keys import SIZE_STATS, SPANS_HERE, SPANS_LOCATION_TAG
from tracklog_projector.search import compile_traces
from tracklog_projector.service import Queries
from tracklog_projector.trace_fold import load_traces

SQL = statements("tracklog_projector")
# A trace may come before its last spans: who asks for all of it in between waits this long, as with MLflow.
SPAN_WAITS_S: Final = (1.0, 2.0)


class TraceQueries:
    """Reads of traces, as `Queries` reads: with all writes acknowledged before, for the caller's eyes."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def trace(self, trace_id: str) -> TraceView:
        """A trace, without its spans.

        Raises: Rejected, when there is none.
        """
        absent = Rejected(NOT_FOUND, f"Trace with ID '{trace_id}' not found.")
        found = (await self._known([trace_id])).get(trace_id)
        if found is None:
            raise absent
        await caller().check(found.experiment_id, absent)
        return found

    async def traces(self, trace_ids: Sequence[str], experiment_ids: Sequence[int] | None) -> list[TraceView]:
        """Those of these traces that there are and may be read; in these experiments, unless None.

        They come in this order; one that is named twice where it is named last, as MLflow has it.
        """
        traces = await self._known(trace_ids)
        places = set(experiment_ids) if experiment_ids is not None else set()
        if experiment_ids is None:
            places = {trace.experiment_id for trace in traces.values()}
        readable = set(await caller().only_readable(places))
        return [
            traces[trace_id]
            for trace_id in reversed(dict.fromkeys(reversed(trace_ids)))
            if trace_id in traces and traces[trace_id].experiment_id in readable
        ]

    async def _known(self, trace_ids: Sequence[str]) -> dict[str, TraceView]:
        async with self._queries.caught_up("traces_position", trace_ids) as connection:
            known = await connection.fetch(SQL["known_traces"], trace_ids)
            return await _whole(connection, [row["trace_id"] for row in known])

    async def search(self, experiment_ids: Sequence[int], **search: Any) -> tuple[list[TraceView], str]:
        """A page of traces and the token of the next page, "" when there is none.

        Args: search: filter, order_by, limit and page_token, as `compile_traces` takes them.
        Raises: Rejected, when the filter, order or token is wrong.
        """
        experiment_ids = await caller().only_readable(experiment_ids)
        query = compile_traces(experiment_ids=experiment_ids, **search)
        if not experiment_ids:
            return [], ""
        async with self._queries.caught_up("experiments_position", experiment_ids) as connection:
            try:
                found = await connection.fetch(query.sql, *query.args)
            except asyncpg.InvalidRegularExpressionError as error:
                raise Rejected(INVALID, f"Invalid regular expression: {error}") from None
            rows, token = query.page(found)
            traces = await _whole(connection, [row["trace_id"] for row in rows])
        return [traces[row["trace_id"]] for row in rows], token

    async def with_spans(
        self, trace_id: str, *, allow_partial: bool
    ) -> tuple[TraceView, list[dict[str, Any]]]:
        """A trace and its spans as protobuf's JSON, roots first.

        Raises: Rejected, when there is none, or not all its spans are here; with `allow_partial` some do.
        """
        for wait_s in (*SPAN_WAITS_S, None):
            trace = await self.trace(trace_id)
            if trace.tags.get(SPANS_LOCATION_TAG) != SPANS_HERE:
                raise Rejected(INVALID_STATE, "Trace data not stored in tracking store")
            spans = (await self._spans([trace_id])).get(trace_id, [])
            if allow_partial or _is_whole(trace, spans):
                return trace, spans
            if wait_s is not None:
                await asyncio.sleep(wait_s)
        raise Rejected(
            NOT_FOUND, f"Trace with ID {trace_id} is not fully exported yet, please try again later."
        )

    async def batch(
        self, trace_ids: Sequence[str], experiment_ids: Sequence[int] | None
    ) -> list[tuple[TraceView, list[dict[str, Any]]]]:
        """Those of these traces whose spans are all here, with them."""
        traces = await self.traces(trace_ids, experiment_ids)
        here = [trace for trace in traces if trace.tags.get(SPANS_LOCATION_TAG) == SPANS_HERE]
        spans = await self._spans([trace.trace_id for trace in here])
        both = [(trace, spans.get(trace.trace_id, [])) for trace in here]
        return [(trace, of_trace) for trace, of_trace in both if _is_whole(trace, of_trace)]

    async def data(self, trace_id: str) -> str:
        """A trace's spans as the JSON text that MLflow keeps of them.

        Raises: Rejected, when there is no such trace, or its spans are not here.
        """
        trace = await self.trace(trace_id)
        if trace.tags.get(SPANS_LOCATION_TAG) != SPANS_HERE:
            raise Rejected(
                NOT_FOUND, f"The spans of trace '{trace_id}' are not stored in the tracking store."
            )
        async with self._queries.caught_up("traces_position", [trace_id]) as connection:
            rows = await connection.fetch(SQL["get_spans"], [trace_id], False)
        return f'{{"spans":[{",".join(row["content"] for row in rows)}]}}'

    async def assessment(self, trace_id: str, assessment_id: str) -> dict[str, Any]:
        """The document of an assessment.

        Raises: Rejected, when there is no such trace or assessment.
        """
        trace = await self.trace(trace_id)
        for document in trace.assessments:
            if document["assessment_id"] == assessment_id:
                return dict(document)
        raise Rejected(NOT_FOUND, f"Assessment with ID '{assessment_id}' not found for trace '{trace_id}'")

    async def oldest_traces(
        self, experiment_id: int, trace_ids: Sequence[str] | None, until_ms: int | None, most: int | None
    ) -> list[str]:
        """The ids of an experiment's traces, oldest first: of `trace_ids`, up to a time, at most so many."""
        if not await caller().only_readable([experiment_id]):
            return []
        async with self._queries.caught_up("experiments_position", [experiment_id]) as connection:
            rows = await connection.fetch(SQL["oldest_traces"], experiment_id, trace_ids, until_ms, most)
        return [row["trace_id"] for row in rows]

    async def _spans(self, trace_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        async with self._queries.caught_up("traces_position", trace_ids) as connection:
            rows = await connection.fetch(SQL["get_spans"], trace_ids, True)
        spans: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            (span,) = read_spans(row["payload"])
            spans.setdefault(span.trace_id, []).append(span.answer())
        return spans


async def _whole(connection: Any, trace_ids: Sequence[str]) -> dict[str, TraceView]:
    traces = await load_traces(connection, trace_ids)
    assessments: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.fetch(SQL["get_assessments"], trace_ids):
        assessments.setdefault(row["trace_id"], []).append(msgspec.json.decode(row["document"]))
    for trace_id, documents in assessments.items():
        if trace_id in traces:
            traces[trace_id].assessments = documents
    return traces


def _is_whole(trace: TraceView, spans: Sequence[Any]) -> bool:
    """Are there spans, and as many as the client counted."""
    try:
        stats = bounded_json.loads(trace.metadata.get(SIZE_STATS, "{}"))
    except ValueError:
        stats = {}
    counted = stats.get("num_spans", 0) if isinstance(stats, dict) else 0
    return bool(spans) and len(spans) >= (counted if isinstance(counted, int) else 0)
