"""A TCP forwarder between clients and a server, which counts and slows down what clients send."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

_PIECE_BYTES: Final = 64 * 1024


class Forwarder(socketserver.ThreadingTCPServer):
    """Listens on a free port and passes everything on to `target`, what clients send at `bytes_per_s`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = target
        self.bytes_per_s: float | None = None
        self.sent_bytes = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address to use in place of the target's."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def pass_on(self, size: int) -> None:
        """Count what a client has sent; returns when so much may have passed."""
        with self._lock:
            self.sent_bytes += size
            if self.bytes_per_s is not None:
                time.sleep(size / self.bytes_per_s)


class _Connection(socketserver.BaseRequestHandler):
    server: Forwarder

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self.server.target) as upstream:
            back = threading.Thread(target=_copy, args=(upstream, self.request, lambda _: None), daemon=True)
            back.start()
            _copy(self.request, upstream, self.server.pass_on)
            back.join()


def _copy(source: socket.socket, sink: socket.socket, pass_on: Callable[[int], None]) -> None:
    """Copy until the source ends; then the sink ends too."""
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            sink.sendall(piece)
            pass_on(len(piece))
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(how)


@contextlib.contextmanager
def forwarding(target: tuple[str, int]) -> Iterator[Forwarder]:
    """A forwarder that runs meanwhile."""
    with Forwarder(target) as forwarder:
        thread = threading.Thread(target=forwarder.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield forwarder
        finally:
            forwarder.shutdown()
            thread.join()
