"""How a process of ours logs: structlog, one JSON line an event, straight to stderr."""

import asyncio
import logging
import os
import select
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

_encode = msgspec.json.Encoder(enc_hook=str).encode


class StderrLines:
    """Writes each line with one system call, so that lines of several processes never mix."""

    def msg(self, message: bytes) -> None:
        """Write one line. When stderr is gone, the line is lost and the work goes on."""
        try:
            os.write(2, message)
        except OSError:
            return

    log = debug = info = warn = warning = error = critical = fatal = exception = msg


class GatheredLines(StderrLines):
    """Writes the lines of one turn of the event loop together: a system call a line is much of a request."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def msg(self, message: bytes) -> None:
        """Write one line, when the loop has done what it is doing."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(message)

    log = debug = info = warn = warning = error = critical = fatal = exception = msg

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        piece = b""
        for line in lines:
            # What is longer may be cut by another process's line.
            if piece and len(piece) + len(line) > select.PIPE_BUF:
                super().msg(piece)
                piece = b""
            piece += line
        super().msg(piece)


def render(_: object, __: str, event: MutableMapping[str, Any]) -> bytes:
    """The event as a JSON line; text that is no valid Unicode is shown escaped."""
    try:
        return _encode(event) + b"\n"
    except UnicodeEncodeError:
        return _encode({key: _escaped(value) for key, value in event.items()}) + b"\n"


def _escaped(value: object) -> object:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def configure(process: str) -> None:
    """Set up logging of this process, called `process` in every line. For entry points only."""

    def stamp(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["at"] = datetime.now(UTC).isoformat()
        event["process"] = process
        return event

    structlog.configure(
        processors=[stamp, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: StderrLines(),
        cache_logger_on_first_use=True,
    )
    # Libraries that use the standard library's logging come out the same way.
    logging.basicConfig(level=logging.WARNING, handlers=[_StandardHandler()], force=True)


class _StandardHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library_said",
            text=record.getMessage(),
            logger=record.name,
            exc_info=record.exc_info,
        )
