"""Folds the metric points that were measured on logged models, each of which a model's answers list."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from tracklog_contract.events import MetricLink, RunLogged
from tracklog_projector.columns import columns_of
from tracklog_projector.rare import SQL


async def write_model_points(connection: Any, batches: Sequence[tuple[uuid.UUID, RunLogged]]) -> None:
    """Write every point of `batches`, given with their runs in the log's order, that is linked to a model."""
    rows = [row for run_id, event in batches for row in _rows(run_id, event)]
    if rows:
        await connection.execute(SQL["insert_model_metrics"], *zip(*rows, strict=True))


def _rows(run_id: uuid.UUID, event: RunLogged) -> Iterator[tuple[Any, ...]]:
    # A request's block is columns already, but for their order, which does not matter here.
    columns = columns_of(event.points)
    for link in event.links:
        if link.model_id is not None:
            series = columns.part(link.series, link.series + 1)
            points = zip(
                series.values.tolist(), series.timestamps.tolist(), series.steps.tolist(), strict=True
            )
            of = _of(link, run_id, series.keys[0])
            yield from ((*of, *point) for point in points)


def _of(link: MetricLink, run_id: uuid.UUID, key: str) -> tuple[Any, ...]:
    return link.model_id, run_id, link.dataset_name or "", link.dataset_digest or "", key
