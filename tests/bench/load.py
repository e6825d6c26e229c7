"""A closed-loop load, where each answer sends the next request; cheap, so that it is not itself measured."""

import heapq
import selectors
import socket
import time
from array import array
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from tests.bench.wire import ANSWER_TIMEOUT_S, unpacked

# Yields whole requests, receives the bodies of their answers.
Script = Generator[bytes, bytes, None]

_RECEIVE_BYTES = 65_536
_SEND_BUFFER_BYTES = 1 << 20
_BUSY = (b"429", b"503")


@dataclass
class Load:
    """What a load did: seconds from first byte to last answer, one latency per answered request, refusals."""

    elapsed_s: float = 0.0
    generator_cpu_s: float = 0.0
    refused: int = 0
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))

    def latency_ms(self, quantile: float) -> float:
        """The latency that this share of the requests did not exceed."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


class _Connection:
    """One socket, its script, the request under way and what has come of its answer."""

    def __init__(self, port: int, script: Script) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.socket.setblocking(False)
        self.script = script
        self.request = b""
        self.unsent = memoryview(b"")
        self.received = bytearray()
        self.sent_at = 0.0

    def begin(self, request: bytes) -> None:
        """Take up `request`; `flush` sends it."""
        self.request = request
        self.sent_at = time.perf_counter()
        self.rewind()

    def rewind(self) -> None:
        """Take up the same request again; its latency counts from the first time it was sent."""
        self.unsent = memoryview(self.request)
        self.received.clear()

    def flush(self) -> bool:
        """Send what the socket takes. True: everything is sent."""
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            return False
        return not self.unsent

    def receive(self) -> tuple[bytes, bytes, bytes] | None:
        """The answer's status, lower-case head and body, once it is all there."""
        chunk = self.socket.recv(_RECEIVE_BYTES)
        if not chunk:
            raise ConnectionError(
                f"the server closed the connection before answering: {self.request[:200]!r}"
            )
        self.received += chunk
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        head = head.lower()
        if len(body) < int(_header(head, b"content-length")):
            return None
        encoding = _header(head, b"content-encoding", b"none").decode()
        return bytes(head[9:12]), bytes(head), unpacked(bytes(body), encoding)


def _header(head: bytes | bytearray, name: bytes, default: bytes = b"") -> bytes:
    _, found, rest = bytes(head).partition(b"\r\n" + name + b":")
    if not found and not default:
        raise ValueError(f"an answer without {name.decode()}: {head!r}")
    return rest.partition(b"\r\n")[0].strip() if found else default


class _Driver:
    def __init__(self, port: int, scripts: Sequence[Script], window_s: float) -> None:
        self.load = Load()
        self.selector = selectors.DefaultSelector()
        self.connections = [_Connection(port, script) for script in scripts]
        self.waiting: list[
            tuple[float, int, _Connection]
        ] = []  # refused ones: (due, tie-breaker, connection)
        self.deadline = time.perf_counter() + window_s

    def run(self) -> Load:
        started, cpu_started = time.perf_counter(), time.process_time()
        try:
            for connection in self.connections:
                self._advance(connection, None)
            while self.selector.get_map() or self.waiting:
                self._turn()
        finally:
            self.selector.close()
            for connection in self.connections:
                connection.script.close()
                connection.socket.close()
        self.load.elapsed_s = time.perf_counter() - started
        self.load.generator_cpu_s = time.process_time() - cpu_started
        return self.load

    def _turn(self) -> None:
        timeout_s = ANSWER_TIMEOUT_S
        if self.waiting:
            timeout_s = max(0.0, self.waiting[0][0] - time.perf_counter())
        ready = self.selector.select(timeout_s)
        if not ready and not self.waiting:
            raise TimeoutError(f"no answer within {ANSWER_TIMEOUT_S:.0f} s")
        for key, events in ready:
            if events & selectors.EVENT_WRITE:
                self._send(key.data)
            elif answer := key.data.receive():
                self._answered(key.data, *answer)
        while self.waiting and self.waiting[0][0] <= time.perf_counter():
            connection = heapq.heappop(self.waiting)[2]
            connection.rewind()
            self._send(connection)

    def _answered(self, connection: _Connection, status: bytes, head: bytes, body: bytes) -> None:
        if status == b"200":
            self.load.latencies_s.append(time.perf_counter() - connection.sent_at)
            self._advance(connection, body)
        elif status in _BUSY:
            self.load.refused += 1
            self.selector.unregister(connection.socket)
            due = time.perf_counter() + float(_header(head, b"retry-after", b"1"))
            heapq.heappush(self.waiting, (due, self.load.refused, connection))
        else:
            raise RuntimeError(f"answered {status.decode()}: {body[:500]!r} to {connection.request[:300]!r}")

    def _advance(self, connection: _Connection, body: bytes | None) -> None:
        try:
            # The script hears of every answer, also of one that came after the window.
            request = next(connection.script) if body is None else connection.script.send(body)
        except StopIteration:
            request = b""
        if request and time.perf_counter() < self.deadline:
            connection.begin(request)
            self._send(connection)
        elif connection.socket in self.selector.get_map():
            self.selector.unregister(connection.socket)

    def _send(self, connection: _Connection) -> None:
        events = selectors.EVENT_READ if connection.flush() else selectors.EVENT_WRITE
        key = self.selector.get_map().get(connection.socket)
        if key is None:
            self.selector.register(connection.socket, events, connection)
        elif key.events != events:
            self.selector.modify(connection.socket, events, connection)


def drive(port: int, scripts: Sequence[Script], window_s: float = float("inf")) -> Load:
    """Run each script on a connection of its own until it ends or the window has passed.

    Requests sent within the window are waited for, and their answers given to the scripts. A request refused
    with 429 or 503 is sent again after the Retry-After of the answer.

    Raises: RuntimeError, on any other answer than 200; ConnectionError, TimeoutError.
    """
    return _Driver(port, scripts, window_s).run()
