"""A native lane that keeps the README's promises and can be told to fail, for tests of what sends to it."""

import contextlib
import http.server
import json
import socket
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import zstandard

from tests.support.fake_artifacts import FakeArtifacts, serve
from tracklog.values import column_of

# An answer instead of the lane's own; None loses the answer after the request has been stored.
Scripted = tuple[int, Mapping[str, str], bytes] | None


@dataclass
class FakeRun:
    """What the lane has stored of one run; a point is counted as often as it came."""

    points: Counter[tuple[str, int, int, float]] = field(default_factory=Counter)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)


class FakeLane:
    """The lane's state and script.."""

    def __init__(self) -> None:
        self.url = ""
        self.artifacts = FakeArtifacts()
        self.artifacts.knows = lambda owner: owner in self.runs
        self.runs: dict[str, FakeRun] = {}
        self.script: deque[Scripted] = deque()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refuses: Callable[[dict[str, Any]], bool] = lambda request: False
        self.lets_in: Callable[[dict[str, str]], bool] = lambda headers: True
        self._last: dict[bytes, tuple[int, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> Scripted:
        """Store a request and answer it, unless the script says otherwise."""
        with self._lock:
            scripted: Scripted | bool = self.script.popleft() if self.script else False
            if isinstance(scripted, tuple):
                return scripted
            answer = self._take(msgpack.unpackb(body))
            return None if scripted is None else answer

    def forget(self) -> None:
        """Lose everything, as a database restored from a backup."""
        with self._lock:
            self._last.clear()
            self.runs.clear()

    def _take(self, request: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        self.requests.append(request)
        if self.refuses(request):
            return error(400, "INVALID_PARAMETER_VALUE", "made to be refused")
        last, last_answer = self._last.get(request["producer"], (0, {}))
        if request["sequence"] == last:
            return 200, {}, msgpack.packb(last_answer | {"duplicate": True})
        if request["sequence"] != last + 1:
            return error(409, "SEQUENCE_GAP", f"the next is {last + 1}")
        rejected: list[dict[str, Any]] = []
        for number, run in enumerate(request["runs"]):
            self._take_run(number, run, rejected)
        answer = {"position": len(self.requests), "duplicate": False, "rejected": rejected}
        self._last[request["producer"]] = request["sequence"], answer
        return 200, {}, msgpack.packb(answer)

    def _take_run(self, number: int, run: dict[str, Any], rejected: list[dict[str, Any]]) -> None:
        if run["run_id"] not in self.runs and "begin" not in run:
            rejected.append(
                {
                    "run": number,
                    "item": "run",
                    "key": "",
                    "points": sum(run.get("points", {}).get("counts", [])),
                    "error_code": "RESOURCE_DOES_NOT_EXIST",
                    "message": "no such run",
                }
            )
            return
        stored = self.runs.setdefault(run["run_id"], FakeRun())
        stored.params |= run.get("params", {})
        stored.tags |= run.get("tags", {})
        stored.points.update(points_of(run["points"]) if "points" in run else [])
        stored.statuses += [run["status"]] if "status" in run else []


def points_of(points: Mapping[str, Any]) -> list[tuple[str, int, int, float]]:
    """The points of a request's columns, as (key, step, timestamp, value)."""
    values = column_of(points["values"], "d")
    times = points["timestamps"]
    all_times = [times] * len(values) if isinstance(times, int) else column_of(times, "q")
    if "steps" in points:
        steps = list(column_of(points["steps"], "q"))
    else:
        pairs = zip(points["first_steps"], points["counts"], strict=True)
        steps = [first + n for first, count in pairs for n in range(count)]
    keys = [key for key, n in zip(points["keys"], points["counts"], strict=True) for _ in range(n)]
    return list(zip(keys, steps, all_times, values, strict=True))


def error(status: int, code: str, message: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """An answer that is an error of tracklog's."""
    return status, headers, json.dumps({"error_code": code, "message": message}).encode()


@contextlib.contextmanager
def fake_lane(
    port: int = 0, lane: FakeLane | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[FakeLane]:
    """A lane that listens on a free port, or again on the one given, until it is left."""
    lane = lane or FakeLane()
    shared = lane

    connections: set[socket.socket] = set()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.add(self.connection)

        def do_PUT(self) -> None:
            assert serve(self, shared.artifacts)

        do_GET = do_PUT

        def do_POST(self) -> None:
            if serve(self, shared.artifacts):
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "zstd":
                body = zstandard.decompress(body)
            headers = dict(self.headers)
            shared.headers.append(headers)
            if shared.lets_in(headers):
                answer = shared.answer(body)
            else:
                answer = error(401, "UNAUTHENTICATED", "The token has expired.")
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in {"Tracklog_Version": "0", **headers}.items():
                if value:
                    self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    lane.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    lane.artifacts.url = lane.url
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield lane
    finally:
        server.shutdown()
        server.server_close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()
