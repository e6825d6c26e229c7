"""Brings an outbox to its server: gathers what waits, sends it, and settles what was answered."""

import http.client
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import msgpack

from tracklog import rejections
from tracklog.journal import Journal, Range, State
from tracklog.link import Answer
from tracklog.post import NotNow, Post, error_of, not_now
from tracklog.rejections import Rejection
from tracklog.request import Part, Request
from tracklog.source import Source
from tracklog.sources import Sources
from tracklog.spool import Outbox
from tracklog_contract.errors import NOT_FOUND, SEQUENCE_GAP

RECORDS_MAX: Final = 100_000
READ_BYTES: Final = 4 * 2**20
READ_BYTES_MIN: Final = 2**18
# A process may join a run before the one that begins it could tell the server: ask again for so long.
MISSING_RUN_PATIENCE_S: Final = 30.0
MISSING_RUN_PAUSE_S: Final = 1.0
_TOO_LARGE: Final = 413


class Delivery:
    """Delivers one outbox, request by request; whoever makes one holds the outbox's sender lock.

    A request is remembered in the journal before it is sent, and sent again, the same, until it is answered,
    by this process or a later one.
    """

    def __init__(self, outbox: Outbox, post: Post) -> None:
        """Raises: OSError, when the outbox cannot be read and written."""
        self._outbox = outbox
        self._post = post
        self._sources = Sources(outbox, self._new_source)
        self._journal = Journal(outbox.file("journal"))
        self._state = self._journal.state or State(os.urandom(16))
        self._records_max = RECORDS_MAX
        self._was_full = False
        self.delivered_points = 0
        self.delivered_bytes = 0
        self.rejected: list[Rejection] = []
        self.refresh()
        self._request = self._under_way()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._post.close()
        self._sources.close()
        self._journal.__exit__()

    @property
    def delivered(self) -> str:
        """What has been delivered, in words."""
        return f"{self.delivered_points:,} points"

    @property
    def progress(self) -> int:
        """A number that grows for as long as something goes on."""
        return self.delivered_bytes

    @property
    def has_more(self) -> bool:
        """Is there more than the last request could hold."""
        return self._was_full

    @property
    def has_live_writers(self) -> bool:
        """Is a process logging to this outbox."""
        return self._sources.are_live

    def pending_bytes(self) -> int:
        """How much there is that the server has not acknowledged."""
        return self._sources.pending_bytes()

    def has_delivered(self, stream: str, number: int, offset: int) -> bool:
        """Has the server all of a stream before an offset in one of its segments."""
        return self._sources.are_past(stream, number, offset)

    def refresh(self) -> None:
        """See which segments are there. Raises: OSError."""
        self._sources.refresh()

    def deliver_next(self) -> bool:
        """Send one request, and settle its answer; False when nothing waits.

        Raises: NotNow; OSError, when the disk does not let it go on.
        """
        if self._request is None:
            self._request = self._gather()
            if not self._request.parts:
                self._request = None
                return False
            self._remember(self._request.ranges, durably=True)
        self._settle(self._request, self._send(self._request))
        return True

    def _new_source(self, stream: str, numbers: list[int]) -> Source:
        number, offset = self._state.acknowledged.get(stream, (numbers[0], 0))
        for old in [n for n in numbers if n < number]:
            # A power cut has brought back what was deleted.
            self._outbox.segment_path(stream, old).unlink()
        left = [n for n in numbers if n >= number] or [number]
        return Source(self._outbox, stream, left, left[0], offset if left[0] == number else 0)

    def _under_way(self) -> Request | None:
        """The request that a sender before this one may have sent."""
        if not self._state.sending:
            return None
        request = Request(RECORDS_MAX)
        for wanted in self._state.sending:
            source = self._sources.get(wanted.stream)
            found = source.read_again(wanted) if source is not None else None
            if source is not None and found is not None:
                source.offset = wanted.start
                request.add(source, found)
        if not request.parts:
            # All of it is gone, which it is only after an answer. Or somebody has deleted it: then the
            # number may be free or not, and a new producer cannot be mistaken.
            self._state = State(os.urandom(16))
            return None
        self._complete(request)
        return request

    def _gather(self) -> Request:
        request = Request(self._records_max)
        now = time.monotonic()
        waiting = [s for s in self._sources if not s.finished and s.not_before <= now]
        share = max(READ_BYTES // max(1, len(waiting)), READ_BYTES_MIN)
        for source in waiting:
            if request.is_full:
                break
            request.add(source, source.read(share))
        self._was_full = request.is_full or any(r.end - r.start > share // 2 for r in request.ranges)
        self._sources.forget_finished()
        self._complete(request)
        # Whoever had no room this time is first the next time.
        served = {wanted.stream for wanted in request.ranges}
        if request.is_full:
            self._sources.put_last(served)
        return request

    def _complete(self, request: Request) -> None:
        """A process that joined a run says how it begins too, when the spool knows: all may be new there."""
        for part in request.parts:
            if part.begin is None and part.source.offset < part.source.header_end:
                part.begin = next(
                    (s.begin for s in self._sources if s.begin and s.run_id == part.source.run_id),
                    None,
                )

    def _send(self, request: Request) -> Answer:
        try:
            return self._post.send(request.body(self._state.producer, self._state.sequence))
        except (OSError, http.client.HTTPException) as error:
            reason = f"{self._post.url} cannot be reached ({error or type(error).__name__})"
            raise NotNow(reason) from error

    def _settle(self, request: Request, answer: Answer) -> None:
        error_code, message = error_of(answer)
        if answer.status == 200:
            self._accept(request, _decoded(answer, self._post.url))
        elif answer.status == 409 and error_code == SEQUENCE_GAP and self._state.sequence > 1:
            self._state = State(os.urandom(16))
            self._remember(request.ranges, durably=True)
        elif answer.status in (400, _TOO_LARGE) and error_code and "tracklog-version" in answer.headers:
            self._refused_whole(request, error_code, message)
        else:
            raise not_now(answer, self._post.url, message)

    def _accept(self, request: Request, answer: Mapping[str, Any]) -> None:
        refused: dict[str, list[rejections.Refused]] = defaultdict(list)
        missing: set[str] = set()
        now = time.monotonic()
        for item in answer["rejected"]:
            part = request.parts[item["run"]]
            rejection = _rejection(part, item)
            if _may_come_yet(part.source, rejection, begins=part.begin is not None, now=now):
                missing.add(part.source.name)
            else:
                data = part.data_of(rejection.item, rejection.key, rejection.points)
                refused[part.source.name].append((rejection, data))
        self._keep(self._name_of_request(), refused)
        self._acknowledge([wanted for wanted in request.ranges if wanted.stream not in missing])
        lost = sum(rejection.points for items in refused.values() for rejection, _ in items)
        self.delivered_points += request.points - lost
        self._records_max = min(2 * self._records_max, RECORDS_MAX)
        self._next_sequence()

    def _refused_whole(self, request: Request, error_code: str, message: str) -> None:
        """Find the record that the server cannot take by halves, and set it aside; the rest goes on."""
        self._request = None
        if request.records > 1:
            self._records_max = request.records // 2
            return
        (part,) = request.parts
        rejection = Rejection(part.source.run_id, "record", "", request.points, error_code, message)
        name = f"{self._name_of_request()}-{part.source.number}-{part.source.offset}"
        self._keep(name, {part.source.name: [(rejection, part.data_of("run", "", 0))]})
        self._acknowledge(request.ranges)
        self._remember((), durably=True)

    def _name_of_request(self) -> str:
        return f"{self._state.producer.hex()}-{self._state.sequence}"

    def _keep(self, request: str, refused: Mapping[str, Sequence[rejections.Refused]]) -> None:
        for stream, items in refused.items():
            rejections.keep(self._outbox, stream, request, items)
            self.rejected += [rejection for rejection, _ in items]

    def _acknowledge(self, ranges: list[Range]) -> None:
        for wanted in ranges:
            self._sources[wanted.stream].acknowledge(wanted.end)
            self.delivered_bytes += wanted.end - wanted.start

    def _next_sequence(self) -> None:
        self._request = None
        self._state = State(self._state.producer, self._state.sequence + 1)
        for source in self._sources:
            # Deletes what is done, so that a program that waits for its last segment to go sees it.
            if not source.finished and not source.pending_bytes():
                source.read(READ_BYTES_MIN)
        self._sources.forget_finished()
        self._remember((), durably=False)

    def _remember(self, sending: "tuple[Range, ...] | list[Range]", *, durably: bool) -> None:
        acknowledged = {s.name: (s.number, s.offset) for s in self._sources}
        state = State(self._state.producer, self._state.sequence, tuple(sending), acknowledged)
        self._journal.write(state, durably=durably)
        self._state = state


def _may_come_yet(source: Source, rejection: Rejection, *, begins: bool, now: float) -> bool:
    """Is this a run that the process which begins it may not have told yet: then it is tried again."""
    if rejection.item != "run" or rejection.error_code != NOT_FOUND or begins:
        return False
    source.missing_since = source.missing_since or now
    source.not_before = now + MISSING_RUN_PAUSE_S
    return now < source.missing_since + MISSING_RUN_PATIENCE_S


def _rejection(part: Part, item: Mapping[str, Any]) -> Rejection:
    return Rejection(
        part.source.run_id, item["item"], item["key"], item["points"], item["error_code"], item["message"]
    )


def _decoded(answer: Answer, url: str) -> Mapping[str, Any]:
    try:
        fields = msgpack.unpackb(answer.body)
        if isinstance(fields, dict) and isinstance(fields["rejected"], list):
            return fields
    except (ValueError, KeyError, msgpack.UnpackException):
        pass
    raise NotNow(f"{url} does not answer as a tracklog server does", 10)
