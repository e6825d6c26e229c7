"""Requests in progress: counted, so that a process that stops can let them finish."""

import asyncio
import contextlib
from typing import Self


class Traffic:
    """Counts requests: `with traffic:` around each. Once `draining`, connections end with an answer.

    aiohttp's own shutdown would not do: it stops reading at once, so no upload could finish.
    """

    def __init__(self) -> None:
        self.draining = False
        self._requests = 0
        self._idle = asyncio.Event()

    async def drain(self, timeout_s: float) -> None:
        """Wait until no request is in progress, or time is up."""
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._requests:
                    self._idle.clear()
                    await self._idle.wait()

    def __enter__(self) -> Self:
        self._requests += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._requests -= 1
        if self.draining and self._requests == 0:
            self._idle.set()
