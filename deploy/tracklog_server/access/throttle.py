"""Slows guessing: after a number of failures, a name or an address must wait before the next attempt.

An address may be that of a proxy and stand for many people, so it may fail more often than a name.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from tracklog_contract.errors import TooMany

NAME_FAILURES_MAX: Final = 20
ADDRESS_FAILURES_MAX: Final = 200
FAILURE_FORGOTTEN_AFTER_S: Final = 6.0
SUBJECTS_MAX: Final = 10_000


class Throttle:
    """Failed attempts by subject, `failures_max` at most; they are forgotten one after the other."""

    def __init__(self, failures_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_s = failures_max * FAILURE_FORGOTTEN_AFTER_S
        # When all failures of a subject would be forgotten.
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def check(self, subject: Hashable) -> None:
        """Accept another attempt of this subject.

        Raises: TooMany, when it has failed too often of late.
        """
        over_s = self._until.get(subject, 0.0) - self._clock() - self._full_s + FAILURE_FORGOTTEN_AFTER_S
        if over_s > 0:
            raise TooMany(
                "Too many attempts to sign in have failed: try again later.",
                retry_after_s=max(1, math.ceil(over_s)),
            )

    def failed(self, subject: Hashable) -> None:
        """Count a failure of this subject."""
        now = self._clock()
        self._until[subject] = max(now, self._until.get(subject, now)) + FAILURE_FORGOTTEN_AFTER_S
        self._until.move_to_end(subject)
        while len(self._until) > SUBJECTS_MAX:
            self._until.popitem(last=False)
