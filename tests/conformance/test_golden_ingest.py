"""The native lane's bytes: recorded requests are read, and answered with recorded answers, for ever."""

import json
import uuid
from pathlib import Path
from typing import Any, Final

import msgpack
import pytest

from tests.support.native import Producer
from tests.support.server import Server

FOLDER: Final = Path(__file__).parent / "golden" / "ingest"
# Each file is a conversation: bodies of requests and answers in hexadecimal, and what they say beside them.
CONVERSATIONS: Final = sorted(path.name for path in FOLDER.glob("*.json"))
# The ids in the files, which each run of the test replaces by new ones of the same length.
PRODUCER: Final = bytes(range(16))
RUN: Final = "0123456789abcdef0123456789abcdef"


def said(body: bytes) -> Any:
    """A body as the files describe it: bytes as hexadecimal text."""
    return json.loads(json.dumps(msgpack.unpackb(body), default=bytes.hex))


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_recorded_conversation(tracking_server: Server, name: str) -> None:
    run_id = uuid.uuid4().hex
    with Producer(tracking_server.url) as producer:
        for exchange in json.loads((FOLDER / name).read_text()):
            request, answer = bytes.fromhex(exchange["request"]), bytes.fromhex(exchange["answer"])
            assert said(request) == exchange["request says"]
            assert said(answer) == exchange["answer says"]
            sent = request.replace(PRODUCER, producer.id.bytes).replace(RUN.encode(), run_id.encode())
            found = producer.post(sent)
            assert found.status == 200, found.body
            assert _comparable(found.body.replace(run_id.encode(), RUN.encode())) == _comparable(answer)


def _comparable(body: bytes) -> bytes:
    """An answer without the position, which depends on what the log held before."""
    fields = msgpack.unpackb(body)
    assert list(fields) == ["position", "duplicate", "rejected"]
    position = fields["position"]
    assert position is None or position > 0
    packed: bytes = msgpack.packb(fields | {"position": None if position is None else 1})
    return packed


def test_there_are_recordings() -> None:
    assert len(CONVERSATIONS) >= 2
