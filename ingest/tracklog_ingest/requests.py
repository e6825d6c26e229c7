"""Decoded request fields as what commands take."""

from collections.abc import Mapping, Sequence
from typing import Any

from tracklog_contract import validate
from tracklog_contract.events import DatasetUse, MetricLink, ModelUse
from tracklog_contract.messages import NO_DATASET
from tracklog_contract.points import Columns, PointBlock, block_of
from tracklog_ingest.runs import LogToRun

Link = tuple[str | None, str | None, str | None]


def log_batch_command(fields: Mapping[str, Any]) -> LogToRun:
    """runs/log-batch.

    Raises: Rejected, for a refused item, and for too many.
    """
    metrics = fields.get("metrics", [])
    validate.run_id(fields["run_id"])
    params, tags = validate.batch(metrics, fields.get("params", []), fields.get("tags", []))
    points, links = _points(metrics)
    return LogToRun(fields["run_id"], points, params, tags, links)


def log_metric_command(fields: Mapping[str, Any]) -> LogToRun:
    """runs/log-metric.

    Raises: Rejected, for a refused key or time.
    """
    validate.model_id(fields.get("model_id"))
    validate.metric_dataset(fields.get("dataset_name"), fields.get("dataset_digest"))
    validate.metric_key(fields["key"])
    validate.timestamp_ms(fields["timestamp"], fields["key"], fields["value"])
    points, links = _points([fields])
    return LogToRun(fields["run_id"], points, links=links)


def _points(metrics: Sequence[Mapping[str, Any]]) -> tuple[PointBlock, tuple[MetricLink, ...]]:
    """The points by key and by what they were measured on."""
    series: dict[tuple[str, Link], Columns] = {}
    for metric in metrics:
        link = (metric.get("model_id"), metric.get("dataset_name"), metric.get("dataset_digest"))
        steps, timestamps, values = series.setdefault((metric["key"], link), ([], [], []))
        steps.append(metric["step"])
        timestamps.append(metric["timestamp"])
        values.append(metric["value"])
    links = tuple(
        MetricLink(number, *link) for number, (_, link) in enumerate(series) if link != (None, None, None)
    )
    return block_of((key, columns) for (key, _), columns in series.items()), links


def dataset_uses(inputs: Sequence[Mapping[str, Any]]) -> tuple[DatasetUse, ...]:
    """Datasets of a decoded log-inputs; of two with one name and digest, the first."""
    uses: dict[tuple[str, str], DatasetUse] = {}
    for item in inputs:
        dataset = item.get("dataset", NO_DATASET)
        tags = {tag["key"]: tag["value"] for tag in item.get("tags", ())}
        uses.setdefault((dataset["name"], dataset["digest"]), DatasetUse(**dataset, tags=tags))
    return tuple(uses.values())


def model_uses(models: Sequence[Mapping[str, Any]]) -> tuple[ModelUse, ...]:
    """Models of a decoded log-inputs or outputs.

    Raises: Rejected, for an id that is too long.
    """
    for model in models:
        validate.model_id(model["model_id"])
    return tuple(ModelUse(model["model_id"], model.get("step")) for model in models)
