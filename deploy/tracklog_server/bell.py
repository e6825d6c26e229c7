"""What wakes the parent process: signals and readable files, in one `select`, without threads."""

import os
import select
import signal
from types import FrameType
from typing import Final, Self

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Bell:
    """Rings on SIGCHLD, and counts requests to stop (SIGINT, SIGTERM, SIGHUP)."""

    def __init__(self) -> None:
        self.stop_requests = 0
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            # nohup has SIGHUP ignored, and means it.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def wait(self, timeout_s: float, *files: int) -> list[int]:
        """Sleep until something rings, one of `files` is readable or time is up; the readable files."""
        readable, _, _ = select.select([self._read, *files], [], [], max(timeout_s, 0.0))
        if self._read in readable:
            readable.remove(self._read)
            self._drain()
        return readable

    def close(self) -> None:
        """Give the signals back to Python's defaults."""
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number in _STOP_SIGNALS:
            self.stop_requests += 1

    def _drain(self) -> None:
        try:
            while os.read(self._read, 512):
                pass
        except BlockingIOError:
            return
