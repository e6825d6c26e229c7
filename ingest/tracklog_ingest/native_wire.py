"""Decodes the native lane's requests (README, "Native ingest"): a part a run, and what is refused of it."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from tracklog_contract import validate
from tracklog_contract.answers import RUN_STATUS
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id, parse_run_id
from tracklog_contract.limits import (
    INGEST_ITEMS_MAX,
    INGEST_POINTS_MAX,
    INGEST_RUNS_MAX,
    INT64_MAX,
    INT64_MIN,
)
from tracklog_contract.points import NO_POINTS, PointBlock
from tracklog_ingest.native_points import Points, Rejection, block_of_series, checked_key


class BeginFields(msgspec.Struct):
    """How a run that may not exist yet comes to be."""

    experiment_name: str | None = None
    experiment_id: str | None = None
    run_name: str = ""
    user_id: str = ""
    start_time: int = 0


class RunFields(msgspec.Struct):
    """Everything one request says about one run."""

    run_id: str
    begin: BeginFields | None = None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    points: Points | None = None
    status: str | None = None
    end_time: int | None = None


class RequestFields(msgspec.Struct):
    """A whole request."""

    producer: bytes
    sequence: int
    runs: list[RunFields]


_request = msgspec.msgpack.Decoder(RequestFields)


@dataclass(frozen=True)
class Begin:
    """A run's beginning: the experiment is named, or it has an id."""

    experiment_name: str | None
    experiment_id: int | None
    run_name: str
    user_id: str
    start_ms: int


@dataclass(frozen=True)
class Part:
    """What is acceptable of what a request says about run number `number`, before admission."""

    number: int
    run_id: uuid.UUID
    begin: Begin | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: PointBlock = NO_POINTS
    status: int | None = None
    end_ms: int | None = None

    @property
    def is_points(self) -> bool:
        """Does it hold points and nothing else."""
        told = self.begin or self.params or self.tags or self.status is not None or self.end_ms is not None
        return bool(self.points.counts) and not told


@dataclass(frozen=True)
class Decoded:
    """A request: whose it is, its parts, and what had to be left out of them."""

    producer_id: uuid.UUID
    sequence: int
    parts: tuple[Part, ...]
    rejected: tuple[Rejection, ...]


def decode(body: bytes) -> Decoded:
    """The request in a msgpack body.

    Raises: Rejected, when it is not of the protocol's form, or larger than its limits.
    """
    try:
        fields = _request.decode(body)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise Rejected(INVALID, f"The body is not a msgpack request for ingest: {error}.") from error
    _check_size(fields)
    rejected: list[Rejection] = []
    parts = tuple(_parts(fields.runs, rejected))
    return Decoded(uuid.UUID(bytes=fields.producer), fields.sequence, parts, tuple(rejected))


def _check_size(fields: RequestFields) -> None:
    if len(fields.producer) != 16:
        raise Rejected(INVALID, f"producer must be a UUID's 16 bytes, not {len(fields.producer)}.")
    if not 1 <= fields.sequence <= INT64_MAX:
        raise Rejected(INVALID, f"sequence must count from 1 on, not be {fields.sequence}.")
    items = points = 0
    for run in fields.runs:
        items += len(run.params) + len(run.tags)
        if run.points is not None:
            items += len(run.points.keys)
            points += len(run.points.values) // 8
    for what, count, most in (
        ("runs", len(fields.runs), INGEST_RUNS_MAX),
        ("points", points, INGEST_POINTS_MAX),
        ("series, params and tags", items, INGEST_ITEMS_MAX),
    ):
        if count > most:
            raise Rejected(
                INVALID, f"The request holds {count} {what}, and may hold {most}. Send fewer at once."
            )


def _parts(runs: list[RunFields], rejected: list[Rejection]) -> Iterator[Part]:
    for number, run in enumerate(runs):
        try:
            run_id = _run_id(run.run_id)
            begin = _begin(run.begin) if run.begin is not None else None
        except Rejected as error:
            points = len(run.points.values) // 8 if run.points is not None else 0
            rejected.append(Rejection.of(number, "run", error, points=points))
            continue
        status, end_ms = _status(number, run, rejected)
        yield Part(
            number,
            run_id,
            begin,
            _accepted(number, "param", validate.param, run.params, rejected),
            _accepted(number, "tag", validate.tag, run.tags, rejected),
            block_of_series(number, run.points, rejected) if run.points is not None else NO_POINTS,
            status,
            end_ms,
        )


def _run_id(text: str) -> uuid.UUID:
    run_id = parse_run_id(text)
    if run_id is None:
        raise Rejected(INVALID, f"run_id must be 32 hexadecimal digits, not '{text[:100]}'.")
    return run_id


def _begin(fields: BeginFields) -> Begin:
    if (fields.experiment_name is None) == (fields.experiment_id is None):
        raise Rejected(INVALID, "begin must have either experiment_name or experiment_id.")
    if fields.experiment_name is not None:
        validate.experiment_name(_text(fields.experiment_name))
    validate.run_name(_text(fields.run_name))
    validate.user_id(_text(fields.user_id))
    if not INT64_MIN <= fields.start_time <= INT64_MAX:
        raise Rejected(
            INVALID, f"start_time must be a 64-bit number of milliseconds, not {fields.start_time}."
        )
    experiment_id = None if fields.experiment_id is None else parse_experiment_id(fields.experiment_id)
    return Begin(fields.experiment_name, experiment_id, fields.run_name, fields.user_id, fields.start_time)


def _status(number: int, run: RunFields, rejected: list[Rejection]) -> tuple[int | None, int | None]:
    """The status and end of a run, neither when one of them is refused."""
    try:
        status = None if run.status is None else _status_number(run.status)
        return status, None if run.end_time is None else _ms("end_time", run.end_time)
    except Rejected as error:
        rejected.append(Rejection.of(number, "status", error))
        return None, None


def _status_number(name: str) -> int:
    if name not in RUN_STATUS:
        raise Rejected(INVALID, f"status must be one of {', '.join(RUN_STATUS)}, not '{name[:100]}'.")
    return RUN_STATUS[name]


def _ms(name: str, value: int) -> int:
    if not INT64_MIN <= value <= INT64_MAX:
        raise Rejected(INVALID, f"{name} must be a 64-bit number of milliseconds, not {value}.")
    return value


def _accepted(
    number: int,
    item: str,
    check: Callable[[str, str], str],
    pairs: Mapping[str, str],
    rejected: list[Rejection],
) -> Mapping[str, str]:
    """The pairs as `check` has them stored, without those that it refuses."""
    accepted: dict[str, str] = {}
    for key, value in pairs.items():
        try:
            accepted[key] = check(checked_key(key), _text(value))
        except Rejected as error:
            rejected.append(Rejection.of(number, item, error, key=key))
    return accepted


def _text(value: str) -> str:
    if "\0" in value:
        raise Rejected(INVALID, "Text must not hold NUL characters.")
    return value
