"""Requests of the sender to the native lane, with the user's credentials, and what its errors mean."""

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tracklog.link import ANSWER_TIMEOUT_S, Answer, Link

PATH: Final = "/api/tracklog/v1/ingest"
COMPRESSED_FROM_BYTES: Final = 1024

try:
    import zstandard
except ImportError:
    # The base installation has no zstd; bodies then go as they are.
    zstandard = None  # type: ignore[assignment]


class NotNow(Exception):
    """Nothing can be delivered at the moment, and the same request is to be sent again."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class NotLetIn(NotNow):
    """The server wants another login: nothing can be delivered by this one."""


class Post:
    """Sends requests to one server; not to be shared by threads."""

    def __init__(
        self, url: str, environment: Mapping[str, str], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """`environment` has the credentials; they go nowhere but into the requests' headers.

        `timeout_s` is how long an answer is waited for.
        """
        self.url = url
        self._prefix = urlsplit(url).path
        self._headers = {"User-Agent": "tracklog", **_authorization(environment)}
        self._link = Link(url, timeout_s=timeout_s)
        # One for each thread: two that compress by the same one spoil each other's bodies.
        self._compress = zstandard.ZstdCompressor(level=1).compress if zstandard is not None else None

    def send(self, body: bytes, path: str = PATH, content_type: str = "application/msgpack") -> Answer:
        """The answer to one request.

        Raises: OSError or HTTPException, when there is none; whether the server has stored it is not known.
        """
        headers = {**self._headers, "Content-Type": content_type}
        if self._compress is not None and len(body) >= COMPRESSED_FROM_BYTES:
            body = self._compress(body)
            headers["Content-Encoding"] = "zstd"
        return self._link.exchange("POST", self._prefix + path, body, headers)

    def ask(self) -> Answer:
        """The answer to a GET at the lane's own path, whose headers tell whether there is a lane.

        Raises: OSError or HTTPException, when there is none.
        """
        return self._link.exchange("GET", self._prefix + PATH, b"", self._headers)

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        self._link.close()


def error_of(answer: Answer) -> tuple[str, str]:
    """An error's code and message, "" where it is none of tracklog's."""
    if answer.status != 200:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            fields = json.loads(answer.body)
            return str(fields["error_code"]), str(fields["message"])
    return "", ""


def not_now(answer: Answer, url: str, message: str) -> NotNow:
    """What an answer that is no verdict on the request means for whoever sends."""
    words = f"{answer.status} {message}".strip()[:500]
    if answer.status == 401:
        remedy = "set TRACKLOG_TOKEN, or MLFLOW_TRACKING_TOKEN, to a token that is good"
        return NotLetIn(f"{url} does not let us in ({words}): {remedy}", 10)
    if answer.status == 403:
        return NotNow(f"{url} does not let us in ({words})", 10)
    if answer.status in (404, 405) or ("tracklog-version" not in answer.headers and answer.status < 500):
        return NotNow(f"{url} does not answer as a tracklog server does ({words})", 10)
    return NotNow(f"{url} cannot take anything for now ({words})", retry_after_s(answer))


def retry_after_s(answer: Answer) -> float | None:
    """How many seconds an answer tells to wait; None where it does not."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that tells who we are: tracklog's own setting first, then MLflow's in MLflow's order."""
    user = environment.get("MLFLOW_TRACKING_USERNAME")
    password = environment.get("MLFLOW_TRACKING_PASSWORD")
    if token := environment.get("TRACKLOG_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    if token := environment.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    return {}
