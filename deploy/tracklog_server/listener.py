"""The listening socket: the parent holds it, so that connections wait while a worker restarts."""

import errno
import socket
from typing import Final

from tracklog_server.problems import StartError

BACKLOG: Final = 1024


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: one of the system's choice).

    Raises: StartError, when it cannot.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} is in use: stop what listens there, or choose another port with --port"
            ) from error
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL that reaches `listener`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
