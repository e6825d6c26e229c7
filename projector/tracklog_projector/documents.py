"""Renders runs as MLflow's JSON: whole documents kept ready for searches, and single runs as asked for."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tracklog_contract.answers import json_double, key_values, run_info
from tracklog_contract.sqlfiles import statements
from tracklog_projector import fresh

SQL = statements("tracklog_projector")
RUNS_AT_ONCE: Final = 200
BEFORE_ALL_RUNS: Final = uuid.UUID(int=0)


@dataclass
class RunView:
    """Everything the views hold of one run, but its series."""

    row: Mapping[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list)
    params: list[dict[str, str]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    model_inputs: list[dict[str, Any]] = field(default_factory=list)
    model_outputs: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, *, model_inputs: bool) -> dict[str, Any]:
        """MLflow's Run; `runs/search` leaves the model inputs out, `runs/get` does not."""
        data = {"metrics": self.metrics, "params": self.params, "tags": self.tags}
        inputs = {
            "dataset_inputs": self.datasets,
            "model_inputs": self.model_inputs if model_inputs else [],
        }
        return {
            "info": run_info(**self.row),
            "data": _without_empty(data),
            "inputs": _without_empty(inputs),
            "outputs": _without_empty({"model_outputs": self.model_outputs}),
        }


def _without_empty(lists: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {name: items for name, items in lists.items() if items}


async def load_runs(connection: Any, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, RunView]:
    """The runs with these ids that there are; metrics, params and tags sorted by key."""
    views = {row["run_id"]: RunView(row) for row in await connection.fetch(SQL["get_runs"], run_ids)}
    for run_id, metrics in (await _metrics(connection, run_ids)).items():
        if run_id in views:
            views[run_id].metrics = metrics
    for row in await connection.fetch(SQL["get_params"], run_ids):
        views[row["run_id"]].params.append({"key": row["key"], "value": row["value"]})
    for row in await connection.fetch(SQL["get_tags"], run_ids):
        views[row["run_id"]].tags.append({"key": row["key"], "value": row["value"]})
    for row in await connection.fetch(SQL["get_run_datasets"], run_ids):
        views[row["run_id"]].datasets.append(_dataset_input(row))
    for row in await connection.fetch(SQL["get_run_models"], run_ids):
        view = views[row["run_id"]]
        if row["output"]:
            view.model_outputs.append({"model_id": row["model_id"], "step": row["step"]})
        else:
            view.model_inputs.append({"model_id": row["model_id"]})
    return views


async def _metrics(connection: Any, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """The latest points of runs, by key."""
    packed = await fresh.load(connection, run_ids)
    points: dict[uuid.UUID, list[fresh.Point]] = {}
    for run_id, *point in await connection.fetch(SQL["get_metrics"], run_ids):
        points.setdefault(run_id, []).append(tuple(point))
    for run_id, blocks in packed.items():
        points[run_id] = fresh.merged(points.get(run_id, []), blocks)
    return {
        run_id: [
            {"key": key, "value": json_double(value), "timestamp": timestamp, "step": step}
            for key, value, timestamp, step in of_run
        ]
        for run_id, of_run in points.items()
    }


def _dataset_input(row: Mapping[str, Any]) -> dict[str, Any]:
    dataset = {name: row[name] for name in ("name", "digest", "source_type", "source")}
    dataset.update((name, row[name]) for name in ("schema", "profile") if row[name] is not None)
    tags = key_values(msgspec.json.decode(row["tags"]))
    return {**({"tags": tags} if tags else {}), "dataset": dataset}


def document(view: RunView) -> str:
    """A run as `runs/search` lists it."""
    return msgspec.json.encode(view.answer(model_inputs=False)).decode()


async def write(connection: Any, run_ids: Sequence[uuid.UUID]) -> None:
    """Write those of these runs' documents that are missing.

    Inside the caller's turn at the views, so that what is rendered is still true when it is written.
    """
    rows = await connection.fetch(SQL["undocumented_runs"], run_ids)
    missing = [row["run_id"] for row in rows]
    if not missing:
        return
    views = await load_runs(connection, missing)
    await connection.execute(
        SQL["insert_documents"], list(views), [document(view) for view in views.values()]
    )


async def write_next(connection: Any, after: uuid.UUID) -> uuid.UUID | None:
    """As `write`, for the next RUNS_AT_ONCE runs by id; the last of them, None when there are no more."""
    rows = await connection.fetch(SQL["runs_after"], after, RUNS_AT_ONCE)
    run_ids = [row["run_id"] for row in rows]
    await write(connection, run_ids)
    return run_ids[-1] if len(run_ids) == RUNS_AT_ONCE else None


async def documents_of(connection: Any, run_ids: Sequence[uuid.UUID]) -> list[str]:
    """The documents of these runs, in this order; those not ready are rendered. Unknown runs are left out."""
    rows = await connection.fetch(SQL["get_documents"], run_ids)
    ready: dict[uuid.UUID, str] = {row["run_id"]: row["document"] for row in rows}
    missing = [run_id for run_id in run_ids if run_id not in ready]
    if missing:
        views = await load_runs(connection, missing)
        ready.update((run_id, document(view)) for run_id, view in views.items())
    return [ready[run_id] for run_id in run_ids if run_id in ready]


@dataclass
class ModelView:
    """Everything the views hold of one logged model."""

    row: Mapping[str, Any]
    params: list[dict[str, str]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """MLflow's LoggedModel."""
        row = self.row
        info = {
            "model_id": row["model_id"],
            "experiment_id": str(row["experiment_id"]),
            "name": row["name"],
            "creation_timestamp_ms": row["created_ms"],
            "last_updated_timestamp_ms": row["updated_ms"],
            "artifact_uri": row["artifact_uri"],
            "status": MODEL_STATUS_NAMES[row["status"]],
            "model_type": row["model_type"],
            "source_run_id": row["source_run_id"],
        }
        if self.tags:
            info["tags"] = self.tags
        return {"info": info, "data": _without_empty({"params": self.params, "metrics": self.metrics})}


MODEL_STATUS_NAMES: Final = {
    0: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}


async def load_models(connection: Any, model_ids: Sequence[str]) -> list[ModelView]:
    """The logged models with these ids that there are, deleted ones too, in this order."""
    rows = await connection.fetch(SQL["get_models"], model_ids)
    views: dict[str, ModelView] = {row["model_id"]: ModelView(row) for row in rows}
    for row in await connection.fetch(SQL["get_model_params"], model_ids):
        views[row["model_id"]].params.append({"key": row["key"], "value": row["value"]})
    for row in await connection.fetch(SQL["get_model_tags"], model_ids):
        views[row["model_id"]].tags.append({"key": row["key"], "value": row["value"]})
    for row in await connection.fetch(SQL["get_model_metrics"], model_ids):
        views[row["model_id"]].metrics.append(_model_metric(row))
    return [views[model_id] for model_id in model_ids if model_id in views]


def _model_metric(row: Mapping[str, Any]) -> dict[str, Any]:
    metric = {
        "key": row["key"],
        "value": json_double(row["value"]),
        "timestamp": row["timestamp"],
        "step": row["step"],
    }
    if row["dataset_name"]:
        metric["dataset_name"] = row["dataset_name"]
        metric["dataset_digest"] = row["dataset_digest"]
    return {**metric, "model_id": row["model_id"], "run_id": row["run_id"].hex}
