"""The sender: a process that delivers one outbox while programs log to it, and ends when nothing is left."""

import contextlib
import logging
import os
import random
import select
import time
from collections.abc import Mapping
from typing import Final

from tracklog.deliveries import delivery_of
from tracklog.post import NotLetIn, NotNow
from tracklog.spool import Outbox, is_locked, write_whole

_log = logging.getLogger("tracklog")

# How long values gather before they are sent, unless somebody waits for them.
GATHER_S: Final = 0.2
# It stays so long after the last delivery: with nobody logging, and with programs that log now and then.
IDLE_S: Final = 3.0
IDLE_WITH_WRITERS_S: Final = 60.0
# Without any program that logs, it tries so long to reach a server that does not answer.
GIVE_UP_S: Final = 600.0
PAUSE_MIN_S: Final = 0.1
PAUSE_MAX_S: Final = 5.0
RETRY_AFTER_MAX_S: Final = 60.0
# A server that is busy or away for a moment is nothing to tell.
SAY_AFTER_S: Final = 0.5


class Pauses:
    """How long to wait before the same request is sent again: as the server says, else ever longer."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - spreads senders out, hides nothing
        self._next_s = PAUSE_MIN_S

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._next_s = PAUSE_MIN_S

    def next_s(self, told_s: float | None) -> float:
        """The next pause, in seconds."""
        own_s = self._next_s * self._chance.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, PAUSE_MAX_S)
        return own_s if told_s is None else min(max(told_s, own_s), RETRY_AFTER_MAX_S)


class Sender:
    """Delivers an outbox until nothing is left to do, or until somebody wants to deliver it by hand."""

    def __init__(self, outbox: Outbox, environment: Mapping[str, str]) -> None:
        """Raises: OSError, when the outbox cannot be read and written."""
        self._outbox = outbox
        self._delivery = delivery_of(outbox, environment)
        self._pauses = Pauses()
        self._wake = _open_wake(outbox)
        self._problem: str | None = None
        self._last_success = time.monotonic()
        self._failing_since: float | None = None
        self._is_shut_out = False

    def run(self) -> None:
        """Deliver until there is nothing to stay for."""
        with self._delivery:
            while not self._is_done():
                if self._deliver() and self._delivery.has_more:
                    continue
                self._wait(GATHER_S)
                self._refresh()

    def _deliver(self) -> bool:
        try:
            sent = self._delivery.deliver_next()
        except NotLetIn as error:
            if self._delivery.has_live_writers:
                # A program that logs starts another sender, with the login that it has by then.
                self._is_shut_out = True
                self._say(error.reason)
            else:
                self._pause(error.reason, error.retry_after_s)
            return False
        except NotNow as error:
            self._pause(error.reason, error.retry_after_s)
            return False
        except OSError as error:
            self._pause(f"the spool cannot be read or written ({error})", None)
            return False
        if sent:
            self._last_success = time.monotonic()
        self._failing_since = None
        self._pauses.reset()
        self._say("")
        return sent

    def _pause(self, reason: str, told_s: float | None) -> None:
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if now - self._failing_since >= SAY_AFTER_S or (told_s or 0) > SAY_AFTER_S:
            self._say(reason)
        until = time.monotonic() + self._pauses.next_s(told_s)
        while (left_s := until - time.monotonic()) > 0 and not self._is_wanted_elsewhere():
            time.sleep(min(left_s, GATHER_S))

    def _refresh(self) -> None:
        try:
            self._delivery.refresh()
        except OSError as error:
            self._pause(f"the spool cannot be read ({error})", None)

    def _is_done(self) -> bool:
        idle_s = time.monotonic() - self._last_success
        if self._is_wanted_elsewhere() or self._is_shut_out:
            return True
        if idle_s < IDLE_S:
            return False
        if self._delivery.has_live_writers:
            return not self._problem and idle_s > IDLE_WITH_WRITERS_S and not self._delivery.pending_bytes()
        return idle_s > GIVE_UP_S or not self._delivery.pending_bytes()

    def _is_wanted_elsewhere(self) -> bool:
        return is_locked(self._outbox.file("sync.lock"))

    def _wait(self, timeout_s: float) -> None:
        """Until somebody waits for delivery, or some time has passed."""
        if self._wake is None:
            time.sleep(timeout_s)
            return
        if select.select([self._wake], [], [], timeout_s)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 65_536)

    def _say(self, problem: str) -> None:
        """Let the programs that log know what keeps values here, "" for nothing."""
        if problem == self._problem:
            return
        self._problem = problem
        _log.info("%s", problem or "delivering")
        with contextlib.suppress(OSError):
            write_whole(self._outbox.file("status"), problem.encode())


def _open_wake(outbox: Outbox) -> int | None:
    with contextlib.suppress(OSError):
        # Open for writing too, so that it never reads as ended.
        return os.open(outbox.file("wake"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    return None
