"""A small client of the native lane, for tests that must see every answer as it is."""

import http.client
import struct
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgpack

from tests.support.api import Answer

PATH: Final = "/api/tracklog/v1/ingest"
MSGPACK: Final = {"Content-Type": "application/msgpack"}


def ints(*items: int) -> bytes:
    """A column of int64."""
    return struct.pack(f"<{len(items)}q", *items)


def floats(*items: float) -> bytes:
    """A column of float64."""
    return struct.pack(f"<{len(items)}d", *items)


def series(first_step: int = 0, **values: Sequence[float]) -> dict[str, Any]:
    """The `points` of these series, each from `first_step` on, all at time 1000."""
    return {
        "keys": list(values),
        "counts": [len(of_key) for of_key in values.values()],
        "first_steps": [first_step] * len(values),
        "timestamps": 1000,
        "values": b"".join(floats(*of_key) for of_key in values.values()),
    }


class Producer:
    """One producer and its keep-alive connection; numbers its requests from 1 on."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.id = uuid.uuid4()
        self.sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, *runs: Mapping[str, Any], sequence: int | None = None) -> bytes:
        """The body of a request, by default the producer's next one."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        body: bytes = msgpack.packb({"producer": self.id.bytes, "sequence": sequence, "runs": list(runs)})
        return body

    def post(self, body: bytes, headers: Mapping[str, str] = MSGPACK) -> Answer:
        """The answer to one request, sent once."""
        self._connection.request("POST", PATH, body, dict(headers))
        answer = self._connection.getresponse()
        content = answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def log(self, *runs: Mapping[str, Any]) -> dict[str, Any]:
        """The decoded answer to the producer's next request, which must be taken."""
        answer = self.post(self.request(*runs))
        assert answer.status == 200, answer.body
        return unpacked(answer)


def unpacked(answer: Answer) -> dict[str, Any]:
    """A 200's body."""
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/msgpack"
    fields: dict[str, Any] = msgpack.unpackb(answer.body)
    return fields
