"""Counts the bytes of artifacts that pass through this process on their way to the store."""

from typing import Final

from aiohttp import web

# Of one request, for its line in the log. Bytes that go straight between client and store are none of these,
# also where the store is a directory of this machine and its signed URLs lead to this process.
CARRIED_BYTES: Final = web.RequestKey("artifact_bytes", int)


class Carried:
    """How many bytes this process has carried since it started."""

    def __init__(self) -> None:
        self.bytes = 0

    def add(self, request: web.Request, count: int) -> None:
        """Count bytes of a request's body that are an artifact's."""
        self.bytes += count
        request[CARRIED_BYTES] = request.get(CARRIED_BYTES, 0) + count
