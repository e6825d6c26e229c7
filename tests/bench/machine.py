"""The machine that the numbers come from: what it is, how busy it already was, how fast its disk commits."""

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

_COMMITS = 100
_COMMIT_BYTES = 8192


def describe(base_dir: Path) -> dict[str, Any]:
    """JSON-ready facts, taken now, in a few hundred milliseconds. The commits are to a file in `base_dir`."""
    return {
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_1min": os.getloadavg()[0],
        "commit_ms": _commit_ms(base_dir),
    }


def _commit_ms(base_dir: Path) -> float:
    """The median time to append a page to a file and have it on disk (fdatasync)."""
    times_ms = []
    with tempfile.TemporaryFile(dir=base_dir) as file:
        for _ in range(_COMMITS):
            before = time.perf_counter()
            os.write(file.fileno(), bytes(_COMMIT_BYTES))
            os.fdatasync(file.fileno())
            times_ms.append(1000 * (time.perf_counter() - before))
    return statistics.median(times_ms)
