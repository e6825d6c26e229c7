"""How far tracklog's views are behind its log while a load runs."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import asyncpg

from tests.bench.progress import say

# The age of the oldest entry that is not folded is how old the views are.
_LAG = """
select head.position - checkpoint.position as entries, coalesce(extract(epoch from
    clock_timestamp() - (
        select recorded_at from tracklog_log.entry
        where partition = 0 and position = checkpoint.position + 1
    )
), 0)::float8 as seconds
from tracklog_log.head, tracklog_view.checkpoint
where head.partition = 0 and checkpoint.partition = 0
"""
_PERIOD_S = 0.2
_SAY_EVERY_S = 10.0


@dataclass
class LagWatch:
    """Samples the lag while open, and tells of the progress; `samples` afterwards, in seconds and entries."""

    dsn: str
    progress: Callable[[], str]
    samples: list[tuple[float, int]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._sample()), name="lag-watch", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread
        self._stop.set()
        self._thread.join()

    @property
    def max_s(self) -> float:
        """The longest lag seen."""
        return max(seconds for seconds, _ in self.samples)

    async def _sample(self) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            say_at = time.perf_counter() + _SAY_EVERY_S
            while not self._stop.is_set():
                row = await connection.fetchrow(_LAG)
                self.samples.append((row["seconds"], row["entries"]))
                if time.perf_counter() > say_at:
                    say(f"{self.progress()}, the views are {row['seconds']:.2f} s behind")
                    say_at += _SAY_EVERY_S
                await asyncio.sleep(_PERIOD_S)
        finally:
            await connection.close()
