"""MLflow's REST protocol as bytes: ready-made requests for the load, a plain client for single calls."""

import gzip
import http.client
import time
import zlib
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlencode, urljoin

import msgspec

PREFIX = "/api/2.0/mlflow/"
ANSWER_TIMEOUT_S = 120.0
# Servers close connections that have been idle for a while; MLflow's after 5 s.
_IDLE_MAX_S = 2.0
# What Python's `requests`, and so MLflow's own client, sends along.
HEADERS = {
    "User-Agent": "tracklog-bench",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Connection": "keep-alive",
}
_HEADER_LINES = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())


def post_bytes(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A whole POST request, ready to be written to a keep-alive connection; `path` is below MLflow's PREFIX,
    or begins with a slash."""
    head = (
        f"POST {urljoin(PREFIX, path)} HTTP/1.1\r\nHost: 127.0.0.1\r\n{_HEADER_LINES}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def unpacked(body: bytes, encoding: str) -> bytes:
    """An answer's body as it was before the server compressed it."""
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


class _CreatedInfo(msgspec.Struct):
    run_id: str


class _CreatedRun(msgspec.Struct):
    info: _CreatedInfo


class _Created(msgspec.Struct):
    run: _CreatedRun


class _Page(msgspec.Struct):
    next_page_token: str = ""


def created_run_id(body: bytes) -> str:
    """The id in the answer to runs/create."""
    return msgspec.json.decode(body, type=_Created).run.info.run_id


class Api:
    """One keep-alive connection, one call at a time.

    Every call raises RuntimeError when the answer is not HTTP 200.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
        self._used_at = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, path: str, fields: Mapping[str, Any]) -> bytes:
        """The body of the answer to a POST of these JSON fields."""
        headers = HEADERS | {"Content-Type": "application/json"}
        return self._call("POST", PREFIX + path, msgspec.json.encode(fields), headers)

    def get(self, path: str, query: Mapping[str, Any]) -> bytes:
        """The body of the answer to a GET with this query."""
        return self._call("GET", f"{PREFIX}{path}?{urlencode(query)}", None, HEADERS)

    def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        if time.perf_counter() - self._used_at > _IDLE_MAX_S:
            self._connection.close()  # the next request opens a new one
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        received = answer.read()
        self._used_at = time.perf_counter()
        received = unpacked(received, answer.headers.get("Content-Encoding", ""))
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path[:200]} was answered {answer.status}: {received[:500]!r}")
        return received

    def create_experiment(self, name: str) -> str:
        """The id of a new experiment."""
        answer = msgspec.json.decode(self.post("experiments/create", {"name": name}))
        return str(answer["experiment_id"])

    def create_run(self, experiment_id: str) -> str:
        """The id of a new run."""
        return created_run_id(self.post("runs/create", {"experiment_id": experiment_id, "start_time": 1}))

    def run(self, run_id: str) -> dict[str, Any]:
        """The run as runs/get gives it."""
        run: dict[str, Any] = msgspec.json.decode(self.get("runs/get", {"run_id": run_id}))["run"]
        return run

    def search_pages(self, fields: Mapping[str, Any]) -> list[bytes]:
        """The answers to runs/search, page after page to the last."""
        pages: list[bytes] = []
        token = ""
        while token or not pages:
            pages.append(self.post("runs/search", {**fields, "page_token": token} if token else fields))
            token = next_page_token(pages[-1])
        return pages

    def history_points(self, run_id: str, key: str, page_points: int) -> int:
        """How many points metrics/get-history gives for a key, over all pages."""
        points = 0
        query: dict[str, Any] = {"run_uuid": run_id, "metric_key": key, "run_id": run_id}
        query["max_results"] = page_points
        while True:
            body = self.get("metrics/get-history", query)
            points += body.count(b'"timestamp"')
            token = next_page_token(body)
            if not token:
                return points
            query["page_token"] = token


def next_page_token(body: bytes) -> str:
    """The token of the page after this answer; empty on the last page."""
    return msgspec.json.decode(body, type=_Page).next_page_token
