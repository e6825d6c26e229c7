"""HTTP of the sender: one kept-alive connection to the native lane, with the user's credentials."""

import base64
import contextlib
import http.client
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

PATH: Final = "/api/tracklog/v1/ingest"
CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0
COMPRESSED_FROM_BYTES: Final = 1024
# Nothing that a tracklog server answers is longer.
ANSWER_BYTES_MAX: Final = 256 * 2**20

try:
    import zstandard

    _compress: Callable[[bytes], bytes] | None = zstandard.ZstdCompressor(level=1).compress
except ImportError:
    # The base installation has no zstd; bodies then go as they are.
    _compress = None


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Post:
    """Sends requests to one server; not to be shared by threads."""

    def __init__(
        self, url: str, environment: Mapping[str, str], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """`environment` has the credentials; they go nowhere but into the requests' headers.

        `timeout_s` is how long an answer is waited for.
        """
        self.url = url
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(timeout_s, CONNECT_TIMEOUT_S)
        self._headers = {
            "Content-Type": "application/msgpack",
            "User-Agent": "tracklog",
            **_authorization(environment),
        }
        self._connection: http.client.HTTPConnection | None = None
        self._path = ""

    def send(self, body: bytes) -> Answer:
        """The answer to one request.

        Raises: OSError or HTTPException, when there is none; whether the server has stored it is not known.
        """
        headers = dict(self._headers)
        if _compress is not None and len(body) >= COMPRESSED_FROM_BYTES:
            body = _compress(body)
            headers["Content-Encoding"] = "zstd"
        was_open = self._connection is not None
        try:
            return self._exchange("POST", body, headers)
        except (ConnectionError, http.client.RemoteDisconnected):
            # A server closes what has long been idle, which shows only when it is used again.
            if not was_open:
                raise
            return self._exchange("POST", body, headers)

    def ask(self) -> Answer:
        """The answer to a GET at the lane's own path, whose headers tell whether there is a lane.

        Raises: OSError or HTTPException, when there is none.
        """
        return self._exchange("GET", b"", self._headers)

    def _exchange(self, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            if self._connection is None:
                self._connection = self._connect()
                self._connection.connect()
                self._connection.sock.settimeout(self._timeout_s)
            self._connection.request(method, self._path, body, dict(headers))
            answer = self._connection.getresponse()
            text = answer.read(ANSWER_BYTES_MAX)
            if answer.will_close or not answer.isclosed():
                self.close()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        """A connection to the server, by way of the environment's proxy where there is one for it."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        self._path = parts.path + PATH
        proxy = _proxy(parts.scheme, parts.netloc)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if proxy is None:
                return http.client.HTTPSConnection(
                    host, port, timeout=self._connect_timeout_s, context=context
                )
            connection = http.client.HTTPSConnection(
                proxy[0], proxy[1], timeout=self._connect_timeout_s, context=context
            )
            connection.set_tunnel(host, port)
            return connection
        if proxy is None:
            return http.client.HTTPConnection(host, port, timeout=self._connect_timeout_s)
        self._path = self.url + PATH
        return http.client.HTTPConnection(proxy[0], proxy[1], timeout=self._connect_timeout_s)


def _proxy(scheme: str, place: str) -> tuple[str, int] | None:
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(place):
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return (parts.hostname or "", parts.port or 80)


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
