"""Progress for whoever waits: lines on standard error, with the seconds since the start."""

import sys
import time

_STARTED = time.perf_counter()


def elapsed_s() -> float:
    """Seconds since the benchmark started."""
    return time.perf_counter() - _STARTED


def say(text: str) -> None:
    """One line of progress."""
    print(f"[{elapsed_s():6.1f} s] {text}", file=sys.stderr, flush=True)
