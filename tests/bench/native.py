"""Requests of tracklog's native lane, made ahead: what changes from one to the next is written into them."""

import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.bench.load import Script
from tests.bench.payloads import EPOCH_MS, STEP_MS, FloatArray, RunContent, TrainingSeries
from tests.bench.scripts import Acknowledged
from tests.bench.wire import post_bytes

PATH: Final = "/api/tracklog/v1/ingest"
MSGPACK: Final = "application/msgpack"

# What stands in a template for what is filled in; msgpack has such numbers in full length.
_PRODUCER: Final = b"\xfe" * 16
_SEQUENCE: Final = 0x7EDCBA9876543210
_STEP: Final = 0x7123456789ABCDEF
_TIME: Final = 0x7A5A5A5A12345678
_RUN_ID: Final = "f" * 32

Bytes = NDArray[np.uint8]


class _Answer(msgspec.Struct):
    position: int | None
    duplicate: bool
    rejected: list[Any]


_answer = msgspec.msgpack.Decoder(_Answer)


class Template:
    """A whole request, into which producer, sequence number, step and time are written without encoding the
    rest again, and the run's id where it is of one run that may be any."""

    def __init__(self, runs: Sequence[Mapping[str, Any]]) -> None:
        body = msgspec.msgpack.encode({"producer": _PRODUCER, "sequence": _SEQUENCE, "runs": list(runs)})
        request = post_bytes(PATH, body, MSGPACK)
        self.points = sum(len(run["points"]["values"]) // 8 for run in runs)
        self._bytes: Bytes = np.frombuffer(request, np.uint8)
        self._producer = _places(request, _PRODUCER)
        self._sequence = _places(request, _SEQUENCE.to_bytes(8))
        self._step = _places(request, _STEP.to_bytes(8))
        self._time = _places(request, _TIME.to_bytes(8))
        self._run_id = _places(request, _RUN_ID.encode())

    def filled(self, producer: bytes, sequence: int, step: int, run_id: str = "") -> bytes:
        """The request with these in it; every series begins at `step`, at the time of that step."""
        request = self._bytes.copy()
        request[self._producer] = np.frombuffer(producer, np.uint8)
        request[self._sequence] = np.frombuffer(sequence.to_bytes(8), np.uint8)
        request[self._step] = np.frombuffer(step.to_bytes(8), np.uint8)
        request[self._time] = np.frombuffer((EPOCH_MS + STEP_MS * step).to_bytes(8), np.uint8)
        if run_id:
            request[self._run_id] = np.frombuffer(run_id.encode(), np.uint8)
        return request.tobytes()


def _places(request: bytes, mark: bytes) -> NDArray[np.intp]:
    """The indices of the bytes of each occurrence of a mark, a row each."""
    starts = []
    start = request.find(mark)
    while start >= 0:
        starts.append(start)
        start = request.find(mark, start + len(mark))
    return np.array(starts, np.intp).reshape(-1, 1) + np.arange(len(mark))


def series_template(keys: Sequence[str], steps: int, seed: int) -> Template:
    """So many steps of each key of one run, of which the id is filled in: what a run logs in a while."""
    values = [TrainingSeries(seed * 1000 + number).values(steps) for number in range(len(keys))]
    times = np.tile(EPOCH_MS + STEP_MS * np.arange(steps), len(keys))
    return Template([_run(_RUN_ID, keys, steps, times.astype("<i8").tobytes(), np.concatenate(values))])


def step_template(keys: Sequence[str], seed: int, run_ids: Sequence[str] = (_RUN_ID,)) -> Template:
    """One step of each key, of one run, whose id is filled in, or of many, as a sender gathers them."""
    series = TrainingSeries(seed)
    return Template([_run(run_id, keys, 1, _TIME, series.values(len(keys))) for run_id in run_ids])


def _run(
    run_id: str, keys: Sequence[str], steps: int, timestamps: bytes | int, values: FloatArray
) -> dict[str, Any]:
    points = {
        "keys": list(keys),
        "counts": [steps] * len(keys),
        "first_steps": [_STEP] * len(keys),
        "timestamps": timestamps,
        "values": values.astype("<f8").tobytes(),
    }
    return {"run_id": run_id, "points": points}


def fill_runs(
    run_ids: Sequence[str], templates: Sequence[Template], steps: int, requests: int, record: Acknowledged
) -> Script:
    """Fill run after run as one producer, each with so many requests of so many steps."""
    producer = uuid.uuid4().bytes
    which = itertools.cycle(templates)
    numbers = itertools.count(1)
    for run_id in run_ids:
        for number in range(requests):
            template = next(which)
            _check((yield template.filled(producer, next(numbers), number * steps, run_id)))
            record.add(run_id, template.points)


@dataclass(frozen=True)
class Group:
    """Runs whose steps go in one request, and the templates that take turns."""

    run_ids: Sequence[str]
    templates: Sequence[Template]


def step_runs(groups: Sequence[Group], record: Acknowledged) -> Script:
    """Log step after step as one producer: a request for each group of runs, then the next step."""
    producer = uuid.uuid4().bytes
    numbers = itertools.count(1)
    for step in itertools.count():
        for group in groups:
            template = group.templates[step % len(group.templates)]
            _check((yield template.filled(producer, next(numbers), step, group.run_ids[0])))
            for run_id in group.run_ids:
                record.add(run_id, template.points // len(group.run_ids))


def begin(run_ids: Sequence[str], experiment_id: str) -> Script:
    """Create runs under these ids, at most a request's worth."""
    runs = [{"run_id": run_id, "begin": {"experiment_id": experiment_id}} for run_id in run_ids]
    _check((yield _request(uuid.uuid4().bytes, 1, runs)))


@dataclass(frozen=True)
class RequestOfRuns:
    """A request that logs runs from beginning to end, and which these are."""

    request: bytes
    runs: Mapping[str, RunContent]


def whole_run_requests(
    experiment_id: str, contents: Iterable[RunContent], runs_per_request: int
) -> Iterator[RequestOfRuns]:
    """One producer's requests for these runs, to be sent in order."""
    producer = uuid.uuid4().bytes
    left = iter(contents)
    for sequence in itertools.count(1):
        part = {uuid.uuid4().hex: content for content in itertools.islice(left, runs_per_request)}
        if not part:
            return
        runs = [_whole_run(run_id, experiment_id, content) for run_id, content in part.items()]
        yield RequestOfRuns(_request(producer, sequence, runs), part)


def log_runs(requests: Iterable[RequestOfRuns], finished: dict[str, RunContent]) -> Script:
    """Send one producer's requests; `finished` gets their runs once they are acknowledged."""
    for request in requests:
        _check((yield request.request))
        finished.update(request.runs)


def _whole_run(run_id: str, experiment_id: str, content: RunContent) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "begin": {
            "experiment_id": experiment_id,
            "run_name": content.name,
            "start_time": content.start_ms,
        },
        "params": content.params,
        "tags": content.tags,
        "points": {
            "keys": list(content.metrics),
            "counts": [1] * len(content.metrics),
            "first_steps": [0] * len(content.metrics),
            "timestamps": content.end_ms,
            "values": np.array(list(content.metrics.values()), "<f8").tobytes(),
        },
        "status": "FINISHED",
        "end_time": content.end_ms,
    }


def _request(producer: bytes, sequence: int, runs: Sequence[Mapping[str, Any]]) -> bytes:
    body = msgspec.msgpack.encode({"producer": producer, "sequence": sequence, "runs": list(runs)})
    return post_bytes(PATH, body, MSGPACK)


def _check(answer: bytes) -> None:
    """Raises: RuntimeError, when something of the request was refused, or stored before."""
    told = _answer.decode(answer)
    if told.rejected or told.duplicate or told.position is None:
        raise RuntimeError(f"a native request was answered {str(told)[:1000]}")
