"""The native lane's command: everything one request says about its runs, each item decided for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

import msgpack
import zstandard

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.answers import RUN_NAME_TAG
from tracklog_contract.caller import caller
from tracklog_contract.errors import INVALID, NOT_FOUND, SEQUENCE_GAP, Rejected
from tracklog_contract.events import RunLogged
from tracklog_contract.points import NO_POINTS, PointBlock
from tracklog_ingest.experiments import CreateExperiment
from tracklog_ingest.native_points import Rejection
from tracklog_ingest.native_wire import Begin, Decoded, Part
from tracklog_ingest.runs import (
    CreateRun,
    UpdateRun,
    append,
    count_params,
    count_points,
    set_tag_keys,
)
from tracklog_ingest.state import Producer, Run, State, Wants
from tracklog_ingest.tally import quota_exceeded

# Stored with a producer's last request: few bytes, and far above what a request can have rejected.
REJECTED_BYTES_MAX: Final = 256 * 2**20


@dataclass(frozen=True)
class Answer:
    """What became of a request. `position`: of its last entry, None when nothing was stored."""

    position: int | None
    duplicate: bool = False
    rejected: Sequence[Rejection] = ()

    def packed(self) -> bytes:
        """The answer's body."""
        fields = {
            "position": self.position,
            "duplicate": self.duplicate,
            "rejected": [asdict(rejection) for rejection in self.rejected],
        }
        body: bytes = msgpack.packb(fields)
        return body


@dataclass
class NativeBatch:
    """Answers an `Answer`: what fits is kept, once, and the rest is named."""

    request: Decoded
    now_ms: int
    payload_bytes: int
    workspace: str = field(default_factory=lambda: caller().workspace)

    @property
    def is_points(self) -> bool:
        """Does it log points to runs, and nothing else."""
        parts = self.request.parts
        return bool(parts) and all(part.is_points for part in parts) and not self.request.rejected

    def wants(self, wants: Wants) -> None:
        """The producer, and of each part the run, its experiment, and which params and tags are there."""
        wants.producers.add(self.request.producer_id)
        for part in self.request.parts:
            run_id = part.run_id
            wants.runs.add(run_id)
            wants.params.update((run_id, key) for key in part.params)
            wants.tags.update((run_id, key) for key in part.tags)
            if part.begin is None:
                continue
            if part.begin.experiment_id is not None:
                wants.experiments.add(part.begin.experiment_id)
            if part.begin.experiment_name is not None:
                wants.names_to_begin.add((self.workspace, part.begin.experiment_name))

    def admit(self, state: State) -> Answer:
        """Refused when an earlier request of the producer is missing, or points come too fast.

        Else nothing is refused as a whole.
        """
        request = self.request
        producer = state.producers.get(request.producer_id)
        stored = producer.sequence if producer else 0
        if producer and request.sequence <= stored:
            return _answer_again(producer, request.sequence)
        if request.sequence != stored + 1:
            raise Rejected(
                SEQUENCE_GAP,
                f"This producer's next request is number {stored + 1}, not {request.sequence}: those between "
                "are not here. Send what is left as a new producer.",
            )
        self._check_rate(state)
        first = len(state.entries)
        rejected = list(request.rejected)
        for part in request.parts:
            _admit_part(state, self, part, rejected)
        position = None
        if len(state.entries) > first:
            position = state.position + len(state.entries)
            state.entries[first] = replace(
                state.entries[first], producer_id=request.producer_id, producer_seq=request.sequence
            )
        state.set_producer(Producer(request.producer_id, request.sequence, position, pack_rejected(rejected)))
        return Answer(position, rejected=rejected)

    def _check_rate(self, state: State) -> None:
        """Raises: TooMany, when points come too fast: the producer sends the request again later."""
        parts = [part for part in self.request.parts if part.points.counts]
        known = {state.runs[part.run_id].experiment_id for part in parts if part.run_id in state.runs}
        begun = {
            _experiment_known(state, part.begin, self.workspace)
            for part in parts
            if part.begin is not None and part.run_id not in state.runs
        }
        # What is another tenant's is refused part by part: its rate would tell that it is there.
        seen = {number for number in known | begun if number == NO_EXPERIMENT or state.sees(number)}
        state.tally.check_point_rate(state.caller, seen)


def _answer_again(producer: Producer, sequence: int) -> Answer:
    if sequence < producer.sequence:
        return Answer(None, duplicate=True)
    return Answer(producer.position, duplicate=True, rejected=unpack_rejected(producer.rejected))


def pack_rejected(rejected: Sequence[Rejection]) -> bytes | None:
    """Rejections as they are stored with a producer; None for none."""
    if not rejected:
        return None
    return zstandard.compress(msgpack.packb([list(asdict(rejection).values()) for rejection in rejected]))


def unpack_rejected(packed: bytes | None) -> tuple[Rejection, ...]:
    """What `pack_rejected` was given."""
    if packed is None:
        return ()
    rows = msgpack.unpackb(zstandard.decompress(packed, max_output_size=REJECTED_BYTES_MAX))
    return tuple(Rejection(*row) for row in rows)


def _admit_part(state: State, batch: NativeBatch, part: Part, rejected: list[Rejection]) -> None:
    try:
        run = _run(state, part, batch.now_ms, batch.workspace)
    except Rejected as error:
        rejected.append(Rejection.of(part.number, "run", error, points=part.points.points))
        return
    params = _new_params(state, run, part, rejected)
    tags = _set_tags(state, run, part, rejected)
    points = _fitting(state, run, part, rejected)
    if params or tags or points.counts:
        append(state, run, RunLogged(points, params, tags))
    if part.status is not None or part.end_ms is not None:
        UpdateRun(run.run_id.hex, part.status, part.end_ms, None).admit(state)


def _run(state: State, part: Part, now_ms: int, workspace: str) -> Run:
    """The part's run, begun when it is not there and the part says how.

    Raises: Rejected, when it is unknown, deleted or purged, or cannot begin.
    """
    run = state.run(part.run_id.hex) if part.run_id in state.runs else None
    if run is None:
        if part.begin is None or part.run_id in state.purged_runs:
            raise Rejected(NOT_FOUND, f"Run with id={part.run_id.hex} not found")
        run = _begin(state, part, part.begin, now_ms, workspace)
    run.check_active()
    return run


def _begin(state: State, part: Part, begin: Begin, now_ms: int, workspace: str) -> Run:
    run, _ = CreateRun(
        _experiment_id(state, begin, now_ms, workspace),
        part.run_id,
        begin.run_name,
        begin.user_id,
        begin.start_ms,
        # The rest of the tags comes after it, each decided for itself.
        {RUN_NAME_TAG: name} if (name := part.tags.get(RUN_NAME_TAG)) and not begin.run_name else {},
    ).admit(state)
    return run


def _experiment_id(state: State, begin: Begin, now_ms: int, workspace: str) -> int:
    known = _experiment_known(state, begin, workspace)
    if known != NO_EXPERIMENT:
        return known
    return CreateExperiment(begin.experiment_name or "", None, {}, now_ms, workspace).admit(state)


def _experiment_known(state: State, begin: Begin, workspace: str) -> int:
    """The experiment that a run begins in, NO_EXPERIMENT where it is to be made."""
    if begin.experiment_id is not None:
        return begin.experiment_id
    return state.names.get((workspace, begin.experiment_name or ""), NO_EXPERIMENT)


def _new_params(state: State, run: Run, part: Part, rejected: list[Rejection]) -> dict[str, str]:
    """The part's params that are not there yet, as far as the run may have them."""
    new: dict[str, str] = {}
    for key, value in part.params.items():
        old = state.params.get((run.run_id, key))
        if old == value:
            continue
        try:
            _check_param(state, run, key, old, value)
        except Rejected as error:
            rejected.append(Rejection.of(part.number, "param", error, key=key))
            continue
        new[key] = value
        count_params(state, run, 1)
        state.params[run.run_id, key] = value
        state.new_params.append((run.run_id, key, value))
    return new


def _check_param(state: State, run: Run, key: str, old: str | None, value: str) -> None:
    if old is not None:
        raise Rejected(
            INVALID,
            f"Changing param values is not allowed. Param with key='{key}' was already logged with "
            f"value='{old}' for run ID='{run.run_id.hex}'. Attempted logging new value '{value}'.",
        )
    state.check_count("run_params", run.experiment_id, run.params + 1)


def _set_tags(state: State, run: Run, part: Part, rejected: list[Rejection]) -> Mapping[str, str]:
    """The part's tags, as far as the run may have them."""
    tags: dict[str, str] = {}
    for key, value in part.tags.items():
        if key == RUN_NAME_TAG and not value:
            continue
        try:
            set_tag_keys(state, run, {key: value})
        except Rejected as error:
            rejected.append(Rejection.of(part.number, "tag", error, key=key))
        else:
            tags[key] = value
    return tags


def _fitting(state: State, run: Run, part: Part, rejected: list[Rejection]) -> PointBlock:
    """The part's first points, as many as the run may still have."""
    points, limit = part.points, state.limit("run_points", run.experiment_id)
    room = max(0, limit - run.points)
    if points.points:
        count_points(state, run, min(points.points, room))
    if points.points <= room:
        return points
    keys: list[str] = []
    counts: list[int] = []
    for key, count in zip(points.keys, points.counts, strict=True):
        kept = min(count, room - sum(counts))
        if kept:
            keys.append(key)
            counts.append(kept)
        if kept < count:
            error = quota_exceeded("run_points", limit=limit, count=limit + count - kept)
            rejected.append(Rejection.of(part.number, "series", error, key=key, points=count - kept))
    size = 8 * sum(counts)
    if not size:
        return NO_POINTS
    return PointBlock(
        tuple(keys), tuple(counts), points.steps[:size], points.timestamps[:size], points.values[:size]
    )
