"""`tracklog sync`: delivers by hand what lies in a spool, offline runs included, and says how it went."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from tqdm import tqdm

from tracklog import rejections
from tracklog.config import DEFAULT_URL, from_environment, login_name
from tracklog.deliveries import AnyDelivery, delivery_of
from tracklog.post import NotLetIn, NotNow
from tracklog.sender import Pauses
from tracklog.source import Source, allow_open_files
from tracklog.sources import SOURCES_MAX
from tracklog.spool import Outbox, SegmentName, offline_outbox, outbox_for, outboxes, try_lock

# Without any progress for so long, what is left stays in the spool: longer than a run is waited for that the
# server does not know, which is refused in the end.
PATIENCE_S: Final = 40.0
LOCK_POLL_S: Final = 0.02
SAY_WAITING_AFTER_S: Final = 2.0
LINE_EVERY_S: Final = 2.0
REJECTIONS_SHOWN_MAX: Final = 20


class Progress(Protocol):
    """Shows how many bytes are delivered."""

    def update(self, n: float) -> Any:
        """So many more."""
        ...

    def close(self) -> None:
        """That is all."""
        ...


class Lines:
    """Progress where there is no terminal: a line now and then."""

    def __init__(self, total: int, what: str, out: TextIO) -> None:
        self._total, self._what, self._out = total, what, out
        self._done = 0.0
        self._next = time.monotonic() + LINE_EVERY_S

    def update(self, n: float) -> None:
        """So many more bytes."""
        self._done += n
        if time.monotonic() >= self._next:
            self._out.write(f"{self._what}: {_size(self._done)} of {_size(self._total)}\n")
            self._out.flush()
            self._next = time.monotonic() + LINE_EVERY_S

    def close(self) -> None:
        """Nothing to tidy up."""


class Sync:
    """One delivery of a whole spool."""

    def __init__(
        self,
        spool_dir: Path,
        url: str | None,
        default_url: str,
        environment: Mapping[str, str],
        *,
        out: TextIO,
        patience_s: float,
    ) -> None:
        """With `url` everything goes there; else to where each run was logged, or to `default_url`."""
        self._spool_dir = spool_dir
        self._url = url
        self._default_url = default_url
        self._environment = environment
        self._out = out
        self._patience_s = patience_s

    def run(self) -> bool:
        """Deliver what the spool holds now; True when the server has all of it."""
        self._assign_offline_runs()
        found = outboxes(self._spool_dir)
        results = [self._deliver(Outbox(outbox.path, self._url or outbox.url)) for outbox in found]
        if not any(told for _, told in results):
            self._say(f"nothing to deliver in {self._spool_dir}")
        return all(delivered for delivered, _ in results)

    def _assign_offline_runs(self) -> None:
        """Give what lies in the offline outboxes to their servers'; programs may still append to it there."""
        values = offline_outbox(self._spool_dir)
        for offline in (values, values.for_files()):
            if offline.segments():
                with self._locked(offline, "sync.lock", "another tracklog sync"):
                    self._assign(offline)

    def _assign(self, offline: Outbox) -> None:
        for stream, number in offline.segments():
            url = self._url or _url_of(offline, stream, number) or self._default_url
            target = outbox_for(self._spool_dir, url, login_name(self._environment))
            if offline.holds_files:
                target = target.for_files()
            target.create()
            for path in offline.data_files(stream) if offline.holds_files else ():
                path.rename(target.file(path.name))
            offline.segment_path(stream, number).rename(target.segment_path(stream, number))
            target.sync_directory()
        offline.sync_directory()

    def _deliver(self, outbox: Outbox) -> tuple[bool, bool]:
        """Deliver an outbox; whether all of it has arrived, and whether there was anything to say."""
        assert outbox.url is not None
        with (
            self._locked(outbox, "sync.lock", "another tracklog sync"),
            self._locked(outbox, "sender.lock", "the sender's request to end"),
            delivery_of(outbox, self._environment) as delivery,
        ):
            waiting = outbox.waiting()
            started_bytes = outbox.waiting_bytes()
            reason = self._deliver_all(delivery, outbox.url, waiting, started_bytes) if waiting else ""
            left_bytes = outbox.waiting_bytes()
        refused = self._tell_rejections(outbox)
        if reason:
            self._say(
                f"{_size(left_bytes)} could not be delivered: {reason}. They stay in {outbox.path}:"
                " run tracklog sync again."
            )
        elif started_bytes:
            self._say(f"{outbox.url} has everything: {delivery.delivered}, {_size(delivery.delivered_bytes)}")
        return not reason and not refused, bool(started_bytes or refused)

    def _deliver_all(
        self,
        delivery: AnyDelivery,
        url: str,
        waiting: Mapping[SegmentName, tuple[int, int]],
        total_bytes: int,
    ) -> str:
        """Deliver what was there at the beginning; the reason when it cannot be, else ""."""
        left = {name: written for name, (_, written) in waiting.items()}
        pauses = Pauses()
        progress = self._progress(total_bytes, url)
        last_success, reason = time.monotonic(), ""
        try:
            while left := {n: end for n, end in left.items() if not delivery.has_delivered(*n, end)}:
                before, before_bytes = delivery.progress, delivery.delivered_bytes
                try:
                    delivery.refresh()
                    sent = delivery.deliver_next()
                except NotLetIn as error:
                    return error.reason
                except NotNow as error:
                    sent, reason = False, error.reason
                    time.sleep(min(pauses.next_s(error.retry_after_s), self._patience_s))
                except OSError as error:
                    return f"the spool cannot be read or written ({error})"
                progress.update(delivery.delivered_bytes - before_bytes)
                if sent and delivery.progress > before:
                    last_success, reason = time.monotonic(), ""
                    pauses.reset()
                elif time.monotonic() - last_success > self._patience_s:
                    return reason or "the server does not know a run, or a program has not finished writing"
                elif not reason:
                    time.sleep(LOCK_POLL_S)
        finally:
            progress.close()
        return ""

    def _progress(self, total: int, url: str) -> Progress:
        if self._out.isatty():
            bar: Progress = tqdm(total=total, desc=url, unit="B", unit_scale=True, file=self._out)
            return bar
        return Lines(total, url, self._out)

    def _tell_rejections(self, outbox: Outbox) -> int:
        """Tell what the server has refused and nobody has been told yet; how many items these are."""
        count = 0
        for stream in rejections.streams_with_rejections(outbox):
            for rejection in rejections.untold(outbox, stream):
                count += 1
                if count <= REJECTIONS_SHOWN_MAX:
                    self._say(f"refused: {rejection}")
        if count:
            self._say(f"the server refused {count} items; they are kept in {outbox.path}/*.rejected")
        return count

    @contextlib.contextmanager
    def _locked(self, outbox: Outbox, name: str, holder: str) -> Iterator[None]:
        """Hold a lock, for which a running sender or another sync makes way."""
        say_at: float | None = time.monotonic() + SAY_WAITING_AFTER_S
        while (lock := try_lock(outbox.file(name))) is None:
            if say_at is not None and time.monotonic() > say_at:
                self._say(f"waiting for {holder}")
                say_at = None
            outbox.wake_sender()
            time.sleep(LOCK_POLL_S)
        try:
            yield
        finally:
            os.close(lock)

    def _say(self, line: str) -> None:
        self._out.write(f"tracklog: {line}\n")
        self._out.flush()


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count:,.0f} bytes"


def _url_of(outbox: Outbox, stream: str, number: int) -> str | None:
    source = Source(outbox, stream, [number], number, 0)
    try:
        return source.url
    finally:
        source.close()


def run(
    spool_dir: str | None,
    url: str | None,
    environment: Mapping[str, str],
    *,
    patience_s: float = PATIENCE_S,
) -> int:
    """The command; without any progress for `patience_s` seconds it gives up.

    Returns: 0 only when the server has everything that lay in the spool, else 1.
    Raises: ValueError, for a setting or URL that cannot be used.
    """
    allow_open_files(SOURCES_MAX + 100)
    config = from_environment(url, environment)
    directory = config.spool_dir if spool_dir is None else Path(spool_dir).expanduser().absolute()
    if spool_dir is not None and not directory.is_dir():
        raise ValueError(f"there is no directory {directory}")
    wanted = config.url if url is not None else None
    sync = Sync(
        directory, wanted, config.url or DEFAULT_URL, environment, out=sys.stdout, patience_s=patience_s
    )
    return 0 if sync.run() else 1
