"""How much of what is on its way in a process holds in memory at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from tracklog_contract.errors import Busy


class Inflow:
    """Room for the bytes of requests, from their first to their answer."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0

    @contextmanager
    def within(self, size: int) -> Iterator[None]:
        """Hold room for `size` bytes.

        Raises: Busy, at once, when there is none.
        """
        if self._bytes + size > self._bytes_max:
            raise Busy("too many bytes are on their way in: send the request again in a second.")
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size
