"""A small client of MLflow's REST protocol, for tests that must see every answer as it is."""

import http.client
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

import psutil

PREFIX: Final = "/api/2.0/mlflow/"
# What MLflow's own client sends again, any method alike: no answer, or one of these.
RETRIED_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
LOST: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        """MLflow's error code, "" in an answer that is none."""
        return "" if self.status == 200 else str(self.json["error_code"])


class Api:
    """One keep-alive connection, one call at a time; not to be shared by threads."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        self._connection.close()

    def call(
        self, method: str, path: str, fields: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to one request, sent once: fields as JSON body, or as query where the method is GET.

        Bytes for fields are the body itself, which `headers` should tell the type of.

        Raises: any of LOST, when there is no answer.
        """
        body, query = None, ""
        if method == "GET":
            query = "?" + urlencode(fields, doseq=True) if fields else ""
        elif fields is not None:
            body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        try:
            sent = {"Content-Type": "application/json", **(headers or {})}
            self._connection.request(method, path_of(path) + query, body, sent)
            answer = self._connection.getresponse()
            text = answer.read()
        except LOST:
            self._connection.close()
            raise
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def follow(self, answer: Answer) -> Answer:
        """What is where a redirect leads, as every client follows one; any other answer as it is."""
        return self.call("GET", answer.headers["location"]) if answer.status == 302 else answer

    def post(self, path: str, fields: Any) -> Any:
        """The JSON answer to a POST that succeeds."""
        return _success(self.call("POST", path, fields), path)

    def get(self, path: str, fields: Any = None) -> Any:
        """The JSON answer to a GET that succeeds."""
        return _success(self.call("GET", path, fields), path)

    def insist(self, method: str, path: str, fields: Any, *, patience_s: float, seed: int = 0) -> Answer:
        """The first answer that MLflow's client would not retry, sending again as that client does.

        Raises: what was lost last, when patience ends before.
        """
        deadline = time.monotonic() + patience_s
        pause_s = random.Random(seed)
        while True:
            try:
                answer = self.call(method, path, fields)
            except LOST:
                if time.monotonic() > deadline:
                    raise
            else:
                if answer.status not in RETRIED_STATUSES or time.monotonic() > deadline:
                    return answer
            # Shorter than MLflow's, which waits up to minutes: the load is to go on.
            time.sleep(pause_s.uniform(0.02, 0.25))

    def worker(self, pids: list[int]) -> int:
        """Which of these processes serves this connection."""
        if self._connection.sock is None:
            self._connection.connect()
        port = self._connection.sock.getsockname()[1]
        for _ in range(200):
            for pid in pids:
                peers = psutil.Process(pid).net_connections("tcp")
                if any(peer.raddr and peer.raddr.port == port for peer in peers):
                    return pid
            self.call("GET", "/version")  # it is in the backlog until a worker takes it
        raise AssertionError("no process serves this connection")


def apis_of_workers(url: str, pids: list[int]) -> list[Api]:
    """One connection to each of these worker processes."""
    found: dict[int, Api] = {}
    for _ in range(500):
        api = Api(url)
        if found.setdefault(api.worker(pids), api) is not api:
            api.close()
        if len(found) == len(pids):
            return [found[pid] for pid in pids]
    raise AssertionError("one process takes all connections")


def path_of(path: str) -> str:
    """MLflow's path for a short one; others begin with a slash."""
    return path if path.startswith("/") else PREFIX + path


def _success(answer: Answer, path: str) -> Any:
    assert answer.status == 200, f"{path}: {answer.status} {answer.body[:500]!r}"
    return answer.json
