"""Databricks' endpoints about many runs at once, and its older list of experiments."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from tracklog_contract.caller import caller
from tracklog_contract.databricks_messages import BULK_RUNS_MAX, DELETE_RUNS, RESTORE_RUNS
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_contract.messages import SEARCH_EXPERIMENTS
from tracklog_contract.protojson import decode_query
from tracklog_contract.shape import Message
from tracklog_ingest.http import answer, body_fields
from tracklog_ingest.many_runs import SetRunsDeleted
from tracklog_ingest.service import Ingest
from tracklog_projector.http import DELETED
from tracklog_projector.service import Queries
from tracklog_server.middleware import Handler

BULK: Final = "/2.0/mlflow/databricks/runs"
# In one transaction: others wait for it.
RUNS_AT_ONCE: Final = 500
EXPERIMENTS_MAX: Final = 1000


class ManyRuns:
    """The handlers, over both sides of the log."""

    def __init__(self, ingest: Ingest, queries: Queries) -> None:
        self._ingest = ingest
        self._queries = queries

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Routes to mount under each API prefix."""
        return [
            ("POST", f"{BULK}/delete-runs", self.delete),
            ("POST", f"{BULK}/restore-runs", self.restore),
            ("GET", "/2.0/mlflow/experiments/list", self.list_experiments),
        ]

    async def delete(self, request: web.Request) -> web.Response:
        """databricks/runs/delete-runs: those that began up to a time."""
        number, until_ms, most = await self._asked(request, DELETE_RUNS, "max_timestamp_millis")
        run_ids = await self._queries.runs_to_delete(number, until_ms, most)
        return answer({"runs_deleted": await self._set(number, run_ids, deleted=True)})

    async def restore(self, request: web.Request) -> web.Response:
        """databricks/runs/restore-runs: those that were deleted from a time on."""
        number, since_ms, most = await self._asked(request, RESTORE_RUNS, "min_timestamp_millis")
        run_ids = await self._queries.runs_to_restore(number, since_ms, most)
        return answer({"runs_restored": await self._set(number, run_ids, deleted=False)})

    async def _asked(self, request: web.Request, message: Message, time_field: str) -> tuple[int, int, int]:
        fields = await body_fields(message, request)
        most = fields["max_runs"]
        if not 1 <= most <= BULK_RUNS_MAX:
            raise Rejected(INVALID, f"max_runs must be from 1 to {BULK_RUNS_MAX:,}, not {most}.")
        number = parse_experiment_id(fields["experiment_id"])
        await caller().check(number)
        return number, fields[time_field], most

    async def _set(self, experiment_id: int, run_ids: Sequence[uuid.UUID], *, deleted: bool) -> int:
        """How many of these runs were not so before."""
        # Without one the experiment is still asked for: that it is there, and active.
        count, now_ms = 0, time.time_ns() // 1_000_000
        for begin in range(0, max(1, len(run_ids)), RUNS_AT_ONCE):
            part = run_ids[begin : begin + RUNS_AT_ONCE]
            count += await self._ingest.submit(
                SetRunsDeleted(experiment_id, part, deleted=deleted, now_ms=now_ms)
            )
        return count

    async def list_experiments(self, request: web.Request) -> web.Response:
        """experiments/list: as a search for everything."""
        fields = decode_query(SEARCH_EXPERIMENTS, list(request.query.items()))
        experiments, token = await self._queries.search_experiments(
            filter="",
            order_by=[],
            deleted=DELETED[fields["view_type"]],
            limit=min(max(0, fields["max_results"]) or EXPERIMENTS_MAX, EXPERIMENTS_MAX),
            page_token=fields.get("page_token", ""),
        )
        page: dict[str, Any] = {}
        if experiments:
            page["experiments"] = experiments
        if token:
            page["next_page_token"] = token
        return answer(page)
