"""Slows guessing: after a number of failures, a name or an address must wait before the next attempt."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from tracklog_contract.errors import TooMany

FAILURES_MAX: Final = 20
FAILURE_FORGOTTEN_AFTER_S: Final = 6.0
SUBJECTS_MAX: Final = 10_000


class Throttle:
    """Failed attempts by subject; each is forgotten after a while, one after the other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When all failures of a subject would be forgotten.
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def check(self, *subjects: Hashable) -> None:
        """Accept another attempt of all these subjects.

        Raises: TooMany, when one of them has failed too often of late.
        """
        full = FAILURES_MAX * FAILURE_FORGOTTEN_AFTER_S
        for subject in subjects:
            left_s = self._until.get(subject, 0.0) - self._clock()
            if left_s > full - FAILURE_FORGOTTEN_AFTER_S:
                wait_s = math.ceil(left_s - full + FAILURE_FORGOTTEN_AFTER_S)
                raise TooMany(
                    "Too many attempts to sign in have failed: try again later.", retry_after_s=max(1, wait_s)
                )

    def failed(self, *subjects: Hashable) -> None:
        """Count a failure of each of these subjects."""
        now = self._clock()
        for subject in subjects:
            self._until[subject] = max(now, self._until.get(subject, now)) + FAILURE_FORGOTTEN_AFTER_S
            self._until.move_to_end(subject)
        while len(self._until) > SUBJECTS_MAX:
            self._until.popitem(last=False)
