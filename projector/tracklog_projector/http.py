"""MLflow's read endpoints over the views."""

import base64
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from tracklog_contract import messages as m
from tracklog_contract import validate
from tracklog_contract.answers import json_double
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id, parse_experiment_ids
from tracklog_contract.limits import HISTORY_BULK_MAX, INT64_MAX, INT64_MIN
from tracklog_contract.protojson import decode_body, decode_query
from tracklog_contract.shape import Message
from tracklog_projector.search import ModelDataset, ModelOrder
from tracklog_projector.series import Points
from tracklog_projector.service import Queries

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
MLFLOW: Final = "/2.0/mlflow"
DELETED: Final[dict[int, bool | None]] = {1: False, 2: True, 3: None}
MODELS_MAX: Final = 1000


def routes(queries: Queries) -> list[Route]:
    """Every read endpoint, as (method, path, handler)."""
    reads = Reads(queries)
    return [
        ("GET", f"{MLFLOW}/experiments/get", reads.get_experiment),
        ("GET", f"{MLFLOW}/experiments/get-by-name", reads.get_experiment_by_name),
        ("GET", f"{MLFLOW}/experiments/search", reads.search_experiments),
        ("POST", f"{MLFLOW}/experiments/search", reads.search_experiments),
        ("POST", f"{MLFLOW}/experiments/search-datasets", reads.search_datasets),
        ("GET", f"{MLFLOW}/runs/get", reads.get_run),
        ("POST", f"{MLFLOW}/runs/search", reads.search_runs),
        ("GET", f"{MLFLOW}/metrics/get-history", reads.get_history),
        ("GET", f"{MLFLOW}/metrics/get-history-bulk", reads.get_history_bulk),
        ("GET", f"{MLFLOW}/metrics/get-history-bulk-interval", reads.get_history_bulk_interval),
        ("POST", f"{MLFLOW}/logged-models/search", reads.search_models),
        ("GET", f"{MLFLOW}/logged-models/{{model_id}}", reads.get_model),
    ]


def answer(value: Any) -> web.Response:
    """A value as a JSON answer."""
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


async def request_fields(message: Message, request: web.Request) -> dict[str, Any]:
    """The fields of a request: of its query string for GET, of its body otherwise.

    Raises: Rejected, when they are not as `message` says.
    """
    if request.method == "GET":
        return decode_query(message, list(request.query.items()))
    return decode_body(message, await request.read(), request.headers.get("Content-Type", ""))


class Reads:
    """The handlers, over one `Queries`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def get_experiment(self, request: web.Request) -> web.Response:
        """experiments/get."""
        fields = await request_fields(m.GET_EXPERIMENT, request)
        experiment_id = parse_experiment_id(fields["experiment_id"])
        return answer({"experiment": await self._queries.experiment(experiment_id)})

    async def get_experiment_by_name(self, request: web.Request) -> web.Response:
        """experiments/get-by-name."""
        fields = await request_fields(m.GET_EXPERIMENT_BY_NAME, request)
        return answer({"experiment": await self._queries.experiment_by_name(fields["experiment_name"])})

    async def search_experiments(self, request: web.Request) -> web.Response:
        """experiments/search."""
        fields = await request_fields(m.SEARCH_EXPERIMENTS, request)
        validate.search_max_results(fields["max_results"])
        experiments, token = await self._queries.search_experiments(
            filter=fields["filter"],
            order_by=fields.get("order_by", []),
            deleted=DELETED[fields["view_type"]],
            limit=fields["max_results"],
            page_token=fields.get("page_token", ""),
        )
        return answer(_page("experiments", experiments, token))

    async def search_datasets(self, request: web.Request) -> web.Response:
        """experiments/search-datasets."""
        fields = await request_fields(m.SEARCH_DATASETS, request)
        experiment_ids = [parse_experiment_id(text) for text in fields["experiment_ids"]]
        summaries = await self._queries.dataset_summaries(experiment_ids)
        return answer(_page("dataset_summaries", summaries, ""))

    async def get_run(self, request: web.Request) -> web.Response:
        """runs/get."""
        fields = await request_fields(m.GET_RUN, request)
        return answer({"run": await self._queries.run_document(fields["run_id"])})

    async def search_runs(self, request: web.Request) -> web.Response:
        """runs/search."""
        fields = await request_fields(m.SEARCH_RUNS, request)
        validate.search_max_results(fields["max_results"])
        documents, token = await self._queries.search_runs(
            parse_experiment_ids(fields.get("experiment_ids", [])),
            filter=fields["filter"],
            order_by=fields.get("order_by", []),
            deleted=DELETED[fields["run_view_type"]],
            limit=fields["max_results"],
            page_token=fields.get("page_token", ""),
        )
        # The documents are JSON already: the answer is their concatenation.
        parts = []
        if documents:
            parts.append(f'"runs":[{",".join(documents)}]')
        if token:
            parts.append(f'"next_page_token":{json.dumps(token)}')
        return web.Response(text="{" + ",".join(parts) + "}", content_type="application/json")

    async def get_history(self, request: web.Request) -> web.Response:
        """metrics/get-history."""
        fields = await request_fields(m.GET_METRIC_HISTORY, request)
        limit = fields.get("max_results")
        if limit is not None:
            validate.history_max_results(limit)
        after = _read_point_token(fields.get("page_token", ""))
        key = fields["metric_key"]
        # One point more than shown tells whether there is a next page.
        pieces = await self._queries.metric_history(
            fields["run_id"], key, after=after, limit=None if limit is None else limit + 1
        )
        token = ""
        if limit is not None and sum(map(len, pieces)) > limit:
            pieces[-1] = pieces[-1].at(slice(0, len(pieces[-1]) - 1))
            token = _point_token(next(piece for piece in reversed(pieces) if len(piece)))
        return _metrics(_points_json(key, pieces), token)

    async def get_history_bulk(self, request: web.Request) -> web.Response:
        """metrics/get-history-bulk: the histories of several runs, one after the other."""
        fields = await request_fields(m.GET_METRIC_HISTORY_BULK, request)
        key = fields["metric_key"]
        limit = max(0, min(fields["max_results"], HISTORY_BULK_MAX))
        points: list[str] = []
        for run_id in sorted(set(fields["run_id"])):
            if limit > len(points):
                pieces = await self._queries.metric_history(run_id, key, limit=limit - len(points))
                points.extend(_points_json(key, pieces, run_id))
        return _metrics(points, "", always=True)

    async def get_history_bulk_interval(self, request: web.Request) -> web.Response:
        """metrics/get-history-bulk-interval: samples of several runs, one after the other."""
        fields = await request_fields(m.GET_METRIC_HISTORY_BULK_INTERVAL, request)
        start, end = fields.get("start_step"), fields.get("end_step")
        validate.step_range(start, end)
        key = fields["metric_key"]
        points: list[str] = []
        for run_id in fields["run_ids"]:
            sampled = await self._queries.metric_sample(
                run_id, key, start=start, end=end, most=fields["max_results"]
            )
            if sampled is not None:
                points.extend(_points_json(key, [sampled], run_id))
        return _metrics(points, "")

    async def get_model(self, request: web.Request) -> web.Response:
        """GET logged-models/{model_id}."""
        fields = await request_fields(m.GET_LOGGED_MODEL, request)
        model_id = validate.path_part("model_id", request.match_info["model_id"])
        model = await self._queries.logged_model(model_id, allow_deleted=fields["allow_deleted"])
        return answer({"model": model})

    async def search_models(self, request: web.Request) -> web.Response:
        """logged-models/search."""
        fields = await request_fields(m.SEARCH_LOGGED_MODELS, request)
        limit = fields["max_results"]
        models, token = await self._queries.search_models(
            parse_experiment_ids(fields["experiment_ids"]),
            filter=fields["filter"],
            datasets=[
                ModelDataset(dataset["dataset_name"], dataset.get("dataset_digest"))
                for dataset in fields.get("datasets", [])
            ],
            order_by=[ModelOrder(**entry) for entry in fields.get("order_by", [])],
            limit=min(limit, MODELS_MAX) if limit > 0 else MODELS_MAX,
            page_token=fields.get("page_token", ""),
        )
        return answer(_page("models", models, token))


def _page(name: str, items: list[Any], token: str) -> dict[str, Any]:
    page: dict[str, Any] = {}
    if items:
        page[name] = items
    if token:
        page["next_page_token"] = token
    return page


def _metrics(points: Iterable[str], token: str, *, always: bool = False) -> web.Response:
    joined = ",".join(points)
    parts = []
    if joined or always:
        parts.append(f'"metrics":[{joined}]')
    if token:
        parts.append(f'"next_page_token":"{token}"')
    return web.Response(text="{" + ",".join(parts) + "}", content_type="application/json")


def _points_json(key: str, pieces: Iterable[Points], run_id: str | None = None) -> Iterator[str]:
    """Points as MLflow's Metric texts, written by hand: an encoder's 25,000 objects cost thrice as much."""
    head = f'{{"key":{json.dumps(key)},"value":'
    tail = "}" if run_id is None else f',"run_id":{json.dumps(run_id)}}}'
    for points in pieces:
        columns = zip(points.values.tolist(), points.timestamps.tolist(), points.steps.tolist(), strict=True)
        for value, timestamp, step in columns:
            shown = repr(value) if math.isfinite(value) else f'"{json_double(value)}"'
            yield f'{head}{shown},"timestamp":{timestamp},"step":{step}{tail}'


def _point_token(points: Points) -> str:
    """A page token that says: after the last of these points."""
    last = [int(points.timestamps[-1]), int(points.steps[-1]), float(points.values[-1])]
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode()


def _read_point_token(token: str) -> tuple[int, int, float] | None:
    if not token:
        return None
    try:
        timestamp, step, value = json.loads(base64.urlsafe_b64decode(token))
        whole = all(isinstance(item, int) and INT64_MIN <= item <= INT64_MAX for item in (timestamp, step))
    except (ValueError, TypeError, RecursionError):
        whole = False
    if not whole or not isinstance(value, float):
        raise Rejected(INVALID, "Invalid page token: pass the next_page_token of the previous answer.")
    return timestamp, step, value
