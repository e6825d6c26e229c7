"""The common form of MLflow's hot requests, decoded straight into structs.

Whatever is not exactly of that form (numbers as text, camelCase, unknown or wrong fields, a refused name)
gives None, and the complete decoder of the contract reads the request again: it alone knows what to accept
and how to refuse. So this module may only ever accept what that one accepts, with the same outcome.
"""

import math
from typing import Final

import msgspec

from tracklog_contract import validate
from tracklog_contract.errors import Rejected
from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_contract.points import Columns, PointBlock, block_of
from tracklog_ingest.runs import LogToRun

# Proto-JSON's names for what JSON numbers cannot say.
NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


# What means that the complete decoder must look at a body.
REFUSED: Final = (msgspec.DecodeError, ValueError, KeyError, OverflowError, Rejected)


class Metric(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A point of a batch."""

    key: str
    value: float | str
    timestamp: int
    step: int = 0


class KeyValue(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A param or tag."""

    key: str
    value: str


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """runs/log-batch."""

    run_id: str
    metrics: list[Metric] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class SingleMetric(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """runs/log-metric."""

    run_id: str
    key: str
    value: float | str
    timestamp: int
    step: int = 0
    run_uuid: str | None = None


class SinglePair(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """runs/log-parameter and runs/set-tag."""

    run_id: str
    key: str
    value: str
    run_uuid: str | None = None


_batch = msgspec.json.Decoder(Batch)
_metric = msgspec.json.Decoder(SingleMetric)
_pair = msgspec.json.Decoder(SinglePair)


def log_batch(body: bytes) -> LogToRun | None:
    """The command in a log-batch body of the common form."""
    try:
        batch = _batch.decode(body)
        points = _points(batch.metrics)
        validate.run_id(batch.run_id)
        validate.batch_limits(batch.metrics, batch.params, batch.tags)
        params = {pair.key: validate.param(pair.key, _text(pair.value)) for pair in batch.params}
        tags = {pair.key: validate.tag(pair.key, _text(pair.value)) for pair in batch.tags}
    except REFUSED:
        return None
    if len(params) != len(batch.params):
        return None
    return LogToRun(batch.run_id, points, params, tags, payload_bytes=len(body))


def log_metric(body: bytes) -> LogToRun | None:
    """The command in a log-metric body of the common form."""
    try:
        metric = _metric.decode(body)
        if not metric.run_id or metric.run_uuid not in (None, metric.run_id):
            return None
        points = _points([metric])
    except REFUSED:
        return None
    return LogToRun(metric.run_id, points, payload_bytes=len(body))


def log_parameter(body: bytes) -> LogToRun | None:
    """The command in a log-parameter body of the common form."""
    pair = _decoded_pair(body)
    if pair is None:
        return None
    try:
        return LogToRun(
            pair.run_id,
            params={pair.key: validate.param(pair.key, pair.value)},
            single=True,
            payload_bytes=len(body),
        )
    except Rejected:
        return None


def set_tag(body: bytes) -> LogToRun | None:
    """The command in a set-tag body of the common form."""
    pair = _decoded_pair(body)
    if pair is None:
        return None
    try:
        return LogToRun(
            pair.run_id, tags={pair.key: validate.tag(pair.key, pair.value)}, payload_bytes=len(body)
        )
    except Rejected:
        return None


def _decoded_pair(body: bytes) -> SinglePair | None:
    try:
        pair = _pair.decode(body)
        _text(pair.value)
    except REFUSED:
        return None
    known = pair.key and pair.run_id and pair.run_uuid in (None, pair.run_id)
    return pair if known else None


def _text(value: str) -> str:
    """A value that PostgreSQL can hold. Raises: ValueError, when it has a NUL."""
    if "\0" in value:
        raise ValueError("NUL")
    return value


def _points(metrics: list[Metric] | list[SingleMetric]) -> PointBlock:
    """The points by key, in the order keys first come. Raises: any of REFUSED."""
    series: dict[str, Columns] = {}
    for metric in metrics:
        value = metric.value
        if isinstance(value, str):
            value = NOT_FINITE[value]
        timestamp, step = metric.timestamp, metric.step
        if timestamp < 0 or timestamp > INT64_MAX or not INT64_MIN <= step <= INT64_MAX:
            raise ValueError(timestamp)
        columns = series.get(metric.key)
        if columns is None:
            if not metric.key:
                raise ValueError("empty key")
            validate.metric_key(metric.key)
            columns = series[metric.key] = ([], [], [])
        columns[0].append(step)
        columns[1].append(timestamp)
        columns[2].append(value)
    return block_of(series.items())
