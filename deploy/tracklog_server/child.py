"""One process that the parent looks after: started, told to go, listened to, restarted, stopped."""

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from tracklog_server.json_lines import log
from tracklog_server.problems import FAILED

# A process that lived this long did not fail at once: its next restart is immediate again.
SETTLED_S: Final = 5.0
RESTART_DELAY_MIN_S: Final = 0.1
RESTART_DELAY_MAX_S: Final = 2.0
OUTPUT_LINES_KEPT: Final = 8

Spawn = Callable[[], "subprocess.Popen[bytes]"]


class Child:
    """A process and its successors.

    One whose stdin is a pipe is started early: it imports its libraries, then waits for its go. One whose
    stdout is a pipe is listened to. `once`: it does its work and ends; no successor follows.
    """

    def __init__(
        self, name: str, spawn: Spawn, *, once: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self.once = once
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self.quick_deaths = 0
        self.said: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
        self._spawn = spawn
        self._clock = clock
        self._may_go = False
        self._started_at: float | None = None
        self._restart_at = 0.0
        self._partial_line = b""

    def start(self) -> None:
        """Start the process."""
        restarted = self._started_at is not None
        self._started_at = self._clock()
        self.process = self._spawn()
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)
        if restarted:
            log("child_restarted", child=self.name, pid=self.process.pid)
        if self._may_go:
            self.go()

    def go(self) -> None:
        """Let the process begin, and its successors at once."""
        self._may_go = True
        if self.process is not None and self.process.stdin is not None:
            try:
                # The pipe stays open: its end tells the process of our death.
                self.process.stdin.write(b"\n")
                self.process.stdin.flush()
            except BrokenPipeError:
                return  # it died meanwhile: `take_note` tells

    @property
    def running(self) -> bool:
        """Whether there is a process whose end has not been noted."""
        return self.process is not None

    @property
    def due_in_s(self) -> float:
        """Seconds until a successor may start, 0 or less for now; endless while none is wanted."""
        wanted = self._started_at is not None and not self.once and not self.running
        return self._restart_at - self._clock() if wanted else float("inf")

    @property
    def output(self) -> list[int]:
        """The file to wait for, where the process is listened to."""
        return [self.process.stdout.fileno()] if self.process and self.process.stdout else []

    def take_note(self, *, expected: bool) -> None:
        """Log what the process said, and its end when it has ended and that was not `expected`."""
        if self.process is None:
            return
        # In this order: what it said before its end is there to read once it has ended.
        code = self.process.poll()
        self._listen()
        if code is not None:
            # One that does its work once has told by itself why it could not.
            told = self.once and code in (0, FAILED)
            self._note_end(self.process, code, expected=expected or told)

    def signal(self, number: int) -> None:
        """Send a signal, if there is a process."""
        if self.process is not None:
            self.process.send_signal(number)

    def _listen(self) -> None:
        for output in self.output:
            try:
                *lines, self._partial_line = (self._partial_line + os.read(output, 65536)).split(b"\n")
            except BlockingIOError:
                return
            for line in lines:
                text = line.decode(errors="replace")
                self.said.append(text)
                log("child_said", child=self.name, text=text)

    def _note_end(self, process: "subprocess.Popen[bytes]", code: int, *, expected: bool) -> None:
        lived_s = self._clock() - (self._started_at or 0.0)
        self.quick_deaths = self.quick_deaths + 1 if lived_s < SETTLED_S else 0
        # At once after the first death, then after 0.1, 0.2 … seconds.
        doublings = self.quick_deaths - 2
        delay_s = 0.0 if doublings < 0 else min(RESTART_DELAY_MIN_S * 2**doublings, RESTART_DELAY_MAX_S)
        self._restart_at = self._clock() + delay_s
        if not expected:
            log(
                "child_exited",
                child=self.name,
                pid=process.pid,
                reason=reason(code),
                lived_s=round(lived_s, 3),
            )
        for pipe in (process.stdin, process.stdout):
            # A go that it did not live to read is still in the pipe's buffer, and cannot be written any more.
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        self.exit_code = code
        self.process = None


def reason(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
