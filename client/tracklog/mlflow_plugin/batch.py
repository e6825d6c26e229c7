"""Turns what MLflow's client hands to its store into records of the spool, after MLflow's own checks.

None stands for what the native lane cannot carry, and for what only MLflow's own code knows how to refuse:
that goes MLflow's way. What the server would refuse for its form raises Rejected in the server's words.
"""

from array import array
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, Final, NamedTuple, TypeAlias

from tracklog.records import PARAMS, POINTS, RECORD_ITEMS_MAX, RECORD_TEXTS_MAX, SERIES, TAGS
from tracklog.values import chunks, column_bytes, is_dense
from tracklog_contract import validate
from tracklog_contract.errors import Rejected
from tracklog_contract.limits import INT64_MAX, INT64_MIN, PARAM_VALUE_CHARS_MAX

Record: TypeAlias = tuple[Any, ...]

# With fewer points of one step together than this, on average, columns are the shorter form.
_TOGETHER_MIN: Final = 4


class Point(NamedTuple):
    """A metric's point, as plain Python values."""

    key: str
    value: float
    timestamp: int
    step: int


class Batch(NamedTuple):
    """A batch ready for the spool: its records, and the params among them."""

    records: list[Record]
    params: dict[str, str]


def point_of(metric: Any) -> Point | None:
    """The point that an mlflow.entities.Metric is; None where it has links or is no plain point."""
    if _has_links(metric):
        return None
    point = Point(metric.key, metric.value, metric.timestamp, metric.step)
    if type(point.value) is not float or type(point.timestamp) is not int or type(point.step) is not int:
        plain = _plain(point)
        if plain is None:
            return None
        point = plain
    key, _, timestamp, step = point
    if type(key) is not str or not key or not INT64_MIN <= timestamp <= INT64_MAX:
        return None
    return point if INT64_MIN <= step <= INT64_MAX else None


def single_point(metric: Any) -> Record | None:
    """The record of one metric. Raises: Rejected."""
    point = point_of(metric)
    if point is None:
        return None
    key, value, timestamp, step = point
    validate.metric_key(key)
    validate.timestamp_ms(timestamp, key, value)
    return (POINTS, step, timestamp, {key: value})


def single_param(param: Any) -> Batch | None:
    """The batch of one mlflow.entities.Param. Raises: Rejected."""
    if not _are_plain_texts([param]):
        return None
    params = {param.key: validate.param(param.key, param.value)}
    return Batch([(PARAMS, params)], params)


def single_tag(tag: Any) -> Record | None:
    """The record of one mlflow.entities.RunTag. Raises: Rejected."""
    if not _are_plain_texts([tag]):
        return None
    return (TAGS, {tag.key: validate.tag(tag.key, tag.value)})


def batch_of(metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> Batch | None:
    """All of a batch. Raises: Rejected, and then nothing of it is to be logged."""
    if not _are_plain_texts(params) or not _are_plain_texts(tags):
        return None
    points = [point_of(metric) for metric in metrics]
    plain = [point for point in points if point is not None]
    if len(plain) < len(points):
        return None
    if not _is_accepted(plain):
        validate.batch([point._asdict() for point in plain], _fields_of(params), _fields_of(tags))
    texts, labels = validate.batch((), _fields_of(params), _fields_of(tags))
    validate.batch_limits(plain, params, tags)
    records: list[Record] = [(PARAMS, portion) for portion in chunks(texts, RECORD_TEXTS_MAX)]
    records += _records_of(plain)
    records += [(TAGS, portion) for portion in chunks(labels, RECORD_TEXTS_MAX)]
    return Batch(records, texts)


def params_of(params: Iterable[Any]) -> dict[str, str]:
    """The values that the server has kept of params which it took."""
    return {param.key: str(param.value)[:PARAM_VALUE_CHARS_MAX] for param in params}


def has_links(metrics: Iterable[Any]) -> bool:
    """Is one of the metrics measured on a model or a dataset."""
    return any(map(_has_links, metrics))


def _has_links(metric: Any) -> bool:
    try:
        return bool(metric.model_id or metric.dataset_name or metric.dataset_digest)
    except AttributeError:
        # Metrics of MLflow 2 have no such things.
        return False


def _plain(point: Point) -> Point | None:
    """The same with Python's own numbers, where that is what MLflow's message would make of them."""
    if isinstance(point.value, bool) or not isinstance(point.value, (float, int)):
        return None
    try:
        return Point(point.key, float(point.value), index(point.timestamp), index(point.step))
    except (TypeError, OverflowError):
        return None


def _are_plain_texts(pairs: Iterable[Any]) -> bool:
    """Are keys and values text that can be kept as it is; MLflow's own way knows what to say of others."""
    for pair in pairs:
        if type(pair.key) is not str or not pair.key or type(pair.value) is not str or "\0" in pair.value:
            return False
        try:
            pair.value.encode()
        except UnicodeEncodeError:
            return False
    return True


def _fields_of(pairs: Iterable[Any]) -> list[dict[str, str]]:
    return [{"key": pair.key, "value": pair.value} for pair in pairs]


def _is_accepted(points: Iterable[Point]) -> bool:
    try:
        for key, value, timestamp, _ in points:
            validate.metric_key(key)
            validate.timestamp_ms(timestamp, key, value)
    except Rejected:
        return False
    return True


def _records_of(points: Sequence[Point]) -> list[Record]:
    """The points as records of one step each, or as columns where that is shorter."""
    groups: list[Record] = []
    for key, value, timestamp, step in points:
        last = groups[-1] if groups else None
        if (
            last is not None
            and last[1] == step
            and last[2] == timestamp
            and key not in last[3]
            and len(last[3]) < RECORD_ITEMS_MAX
        ):
            last[3][key] = value
        else:
            groups.append((POINTS, step, timestamp, {key: value}))
    return groups if len(groups) * _TOGETHER_MIN <= len(points) else _columns_of(points)


def _columns_of(points: Iterable[Point]) -> list[Record]:
    columns: dict[str, list[Point]] = {}
    for point in points:
        columns.setdefault(point.key, []).append(point)
    return [_column_of(key, found) for key, found in columns.items()]


def _column_of(key: str, points: Sequence[Point]) -> Record:
    first = points[0]
    if len(points) == 1:
        return (POINTS, first.step, first.timestamp, {key: first.value})
    steps = array("q", [point.step for point in points])
    one_time = all(point.timestamp == first.timestamp for point in points)
    return (
        SERIES,
        key,
        first.step if is_dense(steps) else column_bytes(steps),
        first.timestamp if one_time else column_bytes(array("q", [point.timestamp for point in points])),
        column_bytes(array("d", [point.value for point in points])),
    )
