"""Uploads files to the store that the server names: many at once, large ones in parts that are sent once."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Final

from tracklog.artifact_api import FILES_MAX, ArtifactApi, rejected
from tracklog.bundles import Bundles
from tracklog.content import Changed
from tracklog.post import NotNow
from tracklog.putting import Place, PutFailed, Putter
from tracklog.transfer import Parts, Upload
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected

THREADS: Final = 8
# With more, a kill or a lost network takes more along that was on its way.
PART_THREADS: Final = 5
# What is asked for at once, so that its URLs are used before they expire.
ASK_BYTES: Final = 256 * 2**20
PARTS_ASKED: Final = 16
# While fewer than so many wait for a thread, the next are asked for.
QUEUE_MIN: Final = 4 * THREADS
COMPLETE_FILES: Final = 250
# Of how many parts one request tells, unless a single file has more.
PARTS_TOLD: Final = 2_000
COMPLETE_AFTER_S: Final = 0.1
# Smaller ones are read at once for their checksum; others by a thread.
READ_AT_ONCE_BYTES: Final = 2**20
PAUSE_MIN_S: Final = 0.2
PAUSE_MAX_S: Final = 10.0
# A file that the server does not find whole when it is told of it is uploaded again, so often.
RESTARTS_MAX: Final = 2


class Uploader:
    """Uploads what is added, step by step; for one thread, which the steps belong to.

    Of several files for one path that wait, only the last is uploaded. Memory is bounded by what is added,
    not by the size of files.
    """

    def __init__(self, api: ArtifactApi) -> None:
        self._api = api
        self.putter = Putter()
        # How much has been read for checksums.
        self.read_bytes = 0
        self._threads = ThreadPoolExecutor(THREADS, "tracklog-upload")
        self._part_threads = ThreadPoolExecutor(PART_THREADS, "tracklog-parts")
        self._active: dict[tuple[str, str], Upload] = {}
        self._next: dict[tuple[str, str], Upload] = {}
        self._new: deque[Upload] = deque()
        self._ready: deque[Upload] = deque()
        self._bundles = Bundles(api)
        self._in_parts: list[Upload] = []
        self._uploaded: list[Upload] = []
        self._uploaded_since = 0.0
        # What is to be done when a thread is done.
        self._running: dict[Future[Any], Callable[[Future[Any]], None]] = {}
        self._finished: list[Upload] = []
        self._reason = ""
        self._ask_not_before = 0.0

    @property
    def is_idle(self) -> bool:
        """Is there nothing to do, and nothing to tell."""
        return not self._active and not self._finished

    @property
    def under_way(self) -> int:
        """How many files are being uploaded, or wait for it."""
        return len(self._active) + len(self._next)

    def add(self, upload: Upload) -> None:
        """Upload this too."""
        if upload.key not in self._active:
            self._active[upload.key] = upload
            self._new.append(upload)
            return
        older = self._next.get(upload.key)
        self._next[upload.key] = upload
        if older is not None:
            older.done = True
            self._finished.append(older)

    def step(self, timeout_s: float) -> list[Upload]:
        """Go on, for about so long at most; what is done since the last step.

        Raises: NotNow, when nothing goes on and everything has to wait.
        """
        try:
            self._read_new()
            if time.monotonic() >= self._ask_not_before:
                self._ask()
                self._ask_for_parts()
            self._start_bundles()
            self._start_parts()
            self._collect(timeout_s)
            self._complete()
        except NotNow as error:
            if not self._running:
                raise
            # Something goes on; the rest is asked for again a little later.
            self._reason = error.reason
            self._ask_not_before = time.monotonic() + (error.retry_after_s or PAUSE_MIN_S)
            self._collect(timeout_s)
        finished, self._finished = self._finished, []
        if not finished and not self._running and self._active:
            self._wait_or_raise(timeout_s)
        return finished

    def close(self) -> None:
        """Stop; what is not done is not uploaded, or only in parts."""
        self.putter.stop()
        for threads in (self._threads, self._part_threads):
            threads.shutdown(wait=True, cancel_futures=True)
        self.putter.close()
        self._bundles.close()
        self._api.close()

    def _on_read(self, size: int) -> None:
        self.putter.raise_if_stopped()
        # Of two threads one may be overlooked: it only has to grow.
        self.read_bytes += size

    def _wait_or_raise(self, timeout_s: float) -> None:
        """Nothing is under way: wait until something may be tried again.

        Raises: NotNow, when that is longer than `timeout_s`.
        """
        if self._new or self._uploaded:
            return
        now = time.monotonic()
        until = min((upload.not_before for upload in [*self._ready, *self._in_parts]), default=now)
        pause_s = max(until, self._ask_not_before) - now
        if pause_s > timeout_s:
            raise NotNow(self._reason, pause_s)
        time.sleep(max(0.0, pause_s))

    def _read_new(self) -> None:
        """Find out the checksums."""
        while self._new and len(self._running) < QUEUE_MIN + THREADS:
            upload = self._new.popleft()
            if upload.content.size > READ_AT_ONCE_BYTES:
                reading = self._threads.submit(upload.content.sha256, self._on_read)
                self._running[reading] = partial(self._take_checksum, upload)
            else:
                self._take_checksum(upload)

    def _take_checksum(self, upload: Upload, reading: "Future[str] | None" = None) -> None:
        try:
            upload.sha256 = upload.content.sha256() if reading is None else reading.result()
        except Changed as error:
            self._finish(upload, Rejected(INVALID, str(error)))
        else:
            self._ready.append(upload)

    def _ask(self) -> None:
        """Ask where what is ready is to be put, as much of one owner as is sent at once."""
        now = time.monotonic()
        while self._ready and len(self._running) < QUEUE_MIN:
            batch = self._next_batch(now)
            if not batch:
                return
            try:
                answers = self._api.uploads(batch[0].owner, [upload.fields() for upload in batch])
            except Rejected as error:
                self._refused(batch, error)
                continue
            for upload in batch:
                self._ready.remove(upload)
            for upload, answer in zip(batch, answers, strict=True):
                self._start(upload, answer)

    def _next_batch(self, now: float) -> list[Upload]:
        batch: list[Upload] = []
        size = 0
        for upload in self._ready:
            if upload.not_before > now or (batch and upload.owner != batch[0].owner):
                continue
            size += min(upload.content.size, ASK_BYTES // 16)
            if batch and (upload.is_alone or batch[0].is_alone or size > ASK_BYTES):
                break
            batch.append(upload)
            if len(batch) >= FILES_MAX // 2:
                break
        return batch

    def _refused(self, batch: Sequence[Upload], error: Rejected) -> None:
        """A whole request was refused: the file that spoils it is found by asking for each alone."""
        is_of_all = len(batch) == 1 or error.error_code == NOT_FOUND
        for upload in batch:
            upload.is_alone = True
            if is_of_all:
                self._ready.remove(upload)
                self._finish(upload, error)

    def _start(self, upload: Upload, answer: Mapping[str, Any]) -> None:
        state = answer.get("state")
        if state == "stored":
            self.putter.count(upload.content.size)
            self._finish(upload, None)
        elif state == "refused":
            self._finish(upload, rejected(answer))
        elif state == "bundled":
            self._bundles.add(upload)
        elif state == "single":
            place = Place.of(answer)
            put = self._threads.submit(self.putter.put, upload.content, 0, upload.content.size, place)
            self._running[put] = partial(self._settle_single, upload)
        elif state == "multipart":
            upload.parts = Parts(upload.content.size, answer)
            self.putter.count(upload.parts.bytes_there())
            self._in_parts.append(upload)
            self._see_whether_whole(upload)
        else:
            self._fail(upload, f"{self._api.url} answers in words that are not known: {state!r}", None)
            self._ready.append(upload)

    def _start_bundles(self) -> None:
        while batch := self._bundles.next():
            self._running[self._threads.submit(self._bundles.send, batch)] = partial(
                self._settle_bundle, batch
            )

    def _settle_bundle(
        self, batch: Sequence[Upload], future: "Future[list[dict[str, Any] | Changed]]"
    ) -> None:
        try:
            answers = future.result()
        except Rejected as error:
            self._ready.extend(batch)
            self._refused(batch, error)
            return
        except NotNow as error:
            for upload in batch:
                self._fail(upload, error.reason, error.retry_after_s)
                self._ready.append(upload)
            return
        for upload, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Changed):
                self._finish(upload, Rejected(INVALID, str(answer)))
            else:
                self._start(upload, answer)

    def _ask_for_parts(self) -> None:
        now = time.monotonic()
        for upload in list(self._in_parts):
            parts = upload.parts
            assert parts is not None
            if not parts.need_places or upload.not_before > now:
                continue
            numbers = [*parts.missing][:PARTS_ASKED]
            try:
                answers = self._api.parts(upload.owner, upload.path, parts.upload_id, numbers)
            except Rejected as error:
                # Somebody has given the upload up: it begins again, or is refused by name.
                self._begin_again(upload, error)
                continue
            for answer in answers:
                parts.missing.remove(answer["number"])
                parts.places.append((answer["number"], Place.of(answer)))

    def _start_parts(self) -> None:
        free = PART_THREADS - sum(upload.parts.under_way for upload in self._in_parts if upload.parts)
        for upload in self._in_parts:
            parts = upload.parts
            assert parts is not None
            while free > 0 and parts.may_start and upload.not_before <= time.monotonic():
                number, place = parts.places.popleft()
                start, size = parts.stretch(number)
                put = self._part_threads.submit(self.putter.put, upload.content, start, size, place)
                self._running[put] = partial(self._settle_part, upload, parts, number)
                parts.under_way += 1
                free -= 1

    def _collect(self, timeout_s: float) -> None:
        if not self._running:
            return
        for future in wait(self._running, timeout_s, FIRST_COMPLETED).done:
            self._running.pop(future)(future)

    def _settle_single(self, upload: Upload, future: "Future[str]") -> None:
        try:
            future.result()
        except Changed as error:
            self._finish(upload, Rejected(INVALID, str(error)))
        except PutFailed as error:
            self._fail(upload, str(error), error.retry_after_s)
            self._ready.append(upload)
        else:
            upload.failures = 0
            self._is_uploaded(upload)

    def _settle_part(self, upload: Upload, parts: Parts, number: int, future: "Future[str]") -> None:
        parts.under_way -= 1
        if upload.parts is not parts:
            # It has begun again meanwhile, or has been refused.
            return
        try:
            parts.etags[number] = future.result()
        except Changed as error:
            self._drop_parts(upload)
            self._finish(upload, Rejected(INVALID, str(error)))
            return
        except PutFailed as error:
            self._fail(upload, str(error), error.retry_after_s)
            parts.failed(number, error)
        else:
            upload.failures = 0
            self._see_whether_whole(upload)
        if parts.are_to_be_asked_for:
            self._drop_parts(upload)
            self._ready.append(upload)

    def _drop_parts(self, upload: Upload) -> None:
        """Forget what is there of a file; whoever asks is told anew."""
        if upload in self._in_parts:
            self._in_parts.remove(upload)
        if upload.parts is not None:
            self.putter.count(-upload.parts.bytes_there())
            upload.parts = None

    def _see_whether_whole(self, upload: Upload) -> None:
        if upload.parts is not None and upload.parts.are_there:
            self._in_parts.remove(upload)
            self._is_uploaded(upload)

    def _is_uploaded(self, upload: Upload) -> None:
        if not self._uploaded:
            self._uploaded_since = time.monotonic()
        self._uploaded.append(upload)

    def _complete(self) -> None:
        """Tell the server of what is uploaded, when that is much, or all there is for now."""
        while self._uploaded:
            is_time = time.monotonic() - self._uploaded_since >= COMPLETE_AFTER_S
            if not is_time and self._running and len(self._uploaded) < COMPLETE_FILES:
                return
            batch = self._uploaded_batch()
            try:
                answers = self._api.complete(batch[0].owner, [upload.completing() for upload in batch])
            except Rejected as error:
                self._not_completed(batch, error)
                continue
            del self._uploaded[: len(batch)]
            for upload, answer in zip(batch, answers, strict=True):
                if answer.get("state") == "stored":
                    self._finish(upload, None)
                else:
                    self._begin_again(upload, rejected(answer))

    def _uploaded_batch(self) -> list[Upload]:
        """The next files of one owner that one request may tell of."""
        batch: list[Upload] = []
        parts = 0
        for upload in self._uploaded:
            parts += len(upload.parts.etags) if upload.parts is not None else 0
            is_other = batch and (upload.owner != batch[0].owner or upload.is_alone or batch[0].is_alone)
            if is_other or len(batch) >= FILES_MAX // 2 or (batch and parts > PARTS_TOLD):
                break
            batch.append(upload)
        return batch

    def _not_completed(self, batch: Sequence[Upload], error: Rejected) -> None:
        """A whole request was refused: the file that spoils it is found by telling of each alone."""
        if len(batch) > 1:
            for upload in batch:
                upload.is_alone = True
        else:
            del self._uploaded[0]
            self._begin_again(batch[0], error)

    def _begin_again(self, upload: Upload, error: Rejected) -> None:
        """Not taken as it is: ask anew, which tells whether it is refused for good."""
        self._drop_parts(upload)
        upload.restarts += 1
        if upload.restarts > RESTARTS_MAX:
            self._finish(upload, error)
            return
        self._fail(upload, error.message, None)
        self._ready.append(upload)

    def _fail(self, upload: Upload, reason: str, told_s: float | None) -> None:
        self._reason = reason
        now = time.monotonic()
        if upload.not_before <= now:
            # Else it is one of several parts that fail together.
            upload.failures += 1
        pause_s = min(PAUSE_MIN_S * 2 ** min(upload.failures - 1, 10), PAUSE_MAX_S)
        upload.not_before = max(upload.not_before, now + max(pause_s, told_s or 0.0))

    def _finish(self, upload: Upload, error: Rejected | None) -> None:
        upload.done, upload.error = True, error
        self._finished.append(upload)
        del self._active[upload.key]
        if following := self._next.pop(upload.key, None):
            self.add(following)
