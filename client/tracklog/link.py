"""HTTP of the client: one kept-alive connection to a place, with bodies that are bytes or parts of files."""

import contextlib
import http.client
import os
import selectors
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0
# Nothing that a tracklog server answers is longer.
ANSWER_BYTES_MAX: Final = 256 * 2**20
SLICE_BYTES: Final = 2**20


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class FilePart:
    """A body: `size` bytes of an open file from `offset` on.

    `on_sent` is called with the size of each piece that has gone out, and may raise to stop there.
    """

    fd: int
    offset: int
    size: int
    on_sent: Callable[[int], None]

    def send(self, sock: socket.socket) -> None:
        """Send all of it, by the kernel alone where the connection is not encrypted.

        Raises: OSError, also when the file ends early.
        """
        sent = 0
        while sent < self.size:
            count = min(SLICE_BYTES, self.size - sent)
            sent += self._send_slice(sock, self.offset + sent, count)

    def _send_slice(self, sock: socket.socket, start: int, count: int) -> int:
        if isinstance(sock, ssl.SSLSocket):
            data = os.pread(self.fd, count, start)
            sock.sendall(data)
            done = len(data)
        else:
            with open(self.fd, "rb", buffering=0, closefd=False) as file:
                done = sock.sendfile(file, start, count)
        if not done:
            raise OSError("a file became shorter while it was sent")
        self.on_sent(done)
        return done


Body: TypeAlias = bytes | FilePart
Failure: Final = (OSError, http.client.HTTPException)


class Link:
    """Exchanges requests and answers with the server of a URL; not to be shared by threads.

    It goes by way of the environment's proxy where there is one for it.
    """

    def __init__(self, url: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """`timeout_s` is how long an answer is waited for."""
        self._parts = urlsplit(url)
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(timeout_s, CONNECT_TIMEOUT_S)
        self._connection: http.client.HTTPConnection | None = None
        # What goes before a path where a proxy needs to know the whole URL.
        self._before_path = ""

    def exchange(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Answer:
        """The answer to one request; `path` is all of its URL after the host.

        Raises: OSError or HTTPException, when there is none; whether the server has done it is not known.
        """
        with self.opened(method, path, body, headers) as answer:
            text = answer.read(ANSWER_BYTES_MAX)
        return Answer(answer.status, _headers(answer), text)

    @contextlib.contextmanager
    def opened(
        self, method: str, path: str, body: Body, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request, whose body is still to be read. Raises: as `exchange`."""
        if isinstance(body, FilePart) and self._is_left():
            self.close()
        was_open = self._connection is not None
        try:
            try:
                answer = self._request(method, path, body, headers)
            except (ConnectionError, http.client.RemoteDisconnected):
                # A server closes what has long been idle, which shows only when it is used again. Of a file
                # it may have all the bytes: whoever sends it asks before it is sent again.
                if not was_open or isinstance(body, FilePart):
                    raise
                self.close()
                answer = self._request(method, path, body, headers)
            yield answer
            if answer.will_close or not answer.isclosed():
                self.close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _is_left(self) -> bool:
        """Whether the server has closed the idle connection."""
        if self._connection is None or self._connection.sock is None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _request(
        self, method: str, path: str, body: Body, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.connect()
            self._connection.sock.settimeout(self._timeout_s)
        connection = self._connection
        if isinstance(body, bytes):
            connection.request(method, self._before_path + path, body, dict(headers))
            return connection.getresponse()
        connection.putrequest(method, self._before_path + path, skip_accept_encoding=True)
        for name, value in {**headers, "Content-Length": str(body.size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            body.send(connection.sock)
        except ConnectionError as error:
            # Whoever does not want a body may say so before it has had all of it.
            with contextlib.suppress(*Failure):
                answer = connection.getresponse()
                answer.will_close = True
                return answer
            raise error from None
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        scheme, place = self._parts.scheme, self._parts.netloc
        host, port = self._parts.hostname or "", self._parts.port
        proxy = _proxy(scheme, place)
        if scheme == "https":
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
        self._before_path = f"{scheme}://{place}"
        return http.client.HTTPConnection(proxy[0], proxy[1], timeout=self._connect_timeout_s)


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


def _proxy(scheme: str, place: str) -> tuple[str, int] | None:
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(place):
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = parts.port or 80
    except ValueError as error:
        # It may hold a password, and is not repeated.
        raise OSError(f"the environment's {scheme}_proxy is no URL") from error
    return parts.hostname or "", port
