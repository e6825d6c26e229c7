"""The root fields of the schema, each over `Queries`; they give MLflow's JSON."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from tracklog_contract import messages as m
from tracklog_contract import validate
from tracklog_contract.answers import json_double
from tracklog_contract.ids import parse_experiment_id
from tracklog_contract.protojson import decode_fields
from tracklog_contract.shape import Message
from tracklog_projector.http import DELETED
from tracklog_projector.service import Queries

Json = dict[str, Any]
Resolver = Callable[..., Awaitable[Json]]
# Field by field, an answer costs a hundred times what its REST twin costs, and nothing else of the process
# runs meanwhile: a page of runs is no longer than this, nor are all samples together.
RUNS_MAX: Final = 1000
POINTS_MAX: Final = 25_000


def resolvers(queries: Queries) -> dict[str, Resolver]:
    """The resolver of each field of the type Query. They raise Rejected, as their REST twins do."""
    roots = Roots(queries)
    return {
        "mlflowGetExperiment": _of(m.GET_EXPERIMENT, roots.experiment),
        "mlflowGetMetricHistoryBulkInterval": _of(m.GET_METRIC_HISTORY_BULK_INTERVAL, roots.samples),
        "mlflowGetRun": _of(m.GET_RUN, roots.run),
        "mlflowSearchRuns": _of(m.SEARCH_RUNS, roots.search_runs),
    }


def _of(message: Message, answer: Callable[[Json], Awaitable[Json]]) -> Resolver:
    """A resolver whose input is a request of this message."""

    async def resolve(_root: None, _info: Any, **arguments: Any) -> Json:
        return await answer(decode_fields(message, arguments.get("input") or {}))

    return resolve


class Roots:
    """The answers, over one `Queries`; each takes the fields of its request."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def experiment(self, fields: Json) -> Json:
        """experiments/get."""
        return {"experiment": await self._queries.experiment(parse_experiment_id(fields["experiment_id"]))}

    async def run(self, fields: Json) -> Json:
        """runs/get, with the run's experiment."""
        (run,) = await self._with_experiments([await self._queries.run_document(fields["run_id"])])
        return {"run": run}

    async def search_runs(self, fields: Json) -> Json:
        """runs/search in pages of RUNS_MAX at most, with each run's experiment."""
        validate.search_max_results(fields["max_results"])
        documents, token = await self._queries.search_runs(
            [parse_experiment_id(text) for text in dict.fromkeys(fields.get("experiment_ids", []))],
            filter=fields["filter"],
            order_by=fields.get("order_by", []),
            deleted=DELETED[fields["run_view_type"]],
            limit=min(fields["max_results"], RUNS_MAX),
            page_token=fields.get("page_token", ""),
        )
        runs = await self._with_experiments([msgspec.json.decode(document) for document in documents])
        return {"runs": runs, "next_page_token": token}

    async def samples(self, fields: Json) -> Json:
        """metrics/get-history-bulk-interval, sparser where that would be more than POINTS_MAX points."""
        start, end = fields.get("start_step"), fields.get("end_step")
        validate.step_range(start, end)
        key = fields["metric_key"]
        run_ids = fields["run_ids"]
        most = min(fields["max_results"], POINTS_MAX // max(1, len(run_ids)))
        metrics: list[Json] = []
        for run_id in run_ids:
            points = await self._queries.metric_sample(run_id, key, start=start, end=end, most=most)
            if points is not None:
                columns = (points.values.tolist(), points.timestamps.tolist(), points.steps.tolist())
                metrics += [
                    {
                        "key": key,
                        "value": json_double(value),
                        "timestamp": timestamp,
                        "step": step,
                        "run_id": run_id,
                    }
                    for value, timestamp, step in zip(*columns, strict=True)
                ]
        return {"metrics": metrics}

    async def _with_experiments(self, runs: list[Json]) -> list[Json]:
        ids = {run["info"]["experiment_id"] for run in runs}
        experiments = {text: await self._queries.experiment(int(text)) for text in sorted(ids)}
        return [{**run, "experiment": experiments[run["info"]["experiment_id"]]} for run in runs]
