"""All children of the parent: one wait for everything that happens to them, and their orderly end."""

import os
import signal
import time
from collections.abc import Sequence

from tracklog_server.bell import Bell
from tracklog_server.child import Child
from tracklog_server.json_lines import log


class Crew:
    """Children that are restarted when they die, until the first of them is told to end."""

    def __init__(self, bell: Bell, children: Sequence[Child]) -> None:
        self.children = children
        self._bell = bell
        self._ending = False

    def wait(self, timeout_s: float, *files: int) -> list[int]:
        """Wait for something to happen, `timeout_s` at most; take note of it, and restart who is due.

        Returns: which of `files` are readable.
        """
        due_in_s = [child.due_in_s for child in self.children if not self._ending]
        outputs = [output for child in self.children for output in child.output]
        readable = self._bell.wait(min([timeout_s, *due_in_s]), *files, *outputs)
        for child in self.children:
            child.take_note(expected=self._ending)
            if child.due_in_s <= 0 and not self._ending and not self._bell.stop_requests:
                child.start()
        _bury_adopted({child.process.pid for child in self.children if child.process})
        return [file for file in files if file in readable]

    def end(
        self, children: Sequence[Child], number: int, patience_s: float, *, last: int = signal.SIGKILL
    ) -> bool:
        """Signal `children` and wait for their end; signal `last` when patience ends, or the user's does.

        Returns: whether they ended without that.
        """
        self._ending = True
        for child in children:
            child.signal(number)
        patient = self._await_end(children, time.monotonic() + patience_s)
        if not patient:
            for child in children:
                if child.running:
                    log("child_killed", child=child.name)
                    child.signal(last)
            while any(child.running for child in children):
                self.wait(0.1)
        return patient

    def _await_end(self, children: Sequence[Child], deadline: float) -> bool:
        while any(child.running for child in children):
            # The first request made us stop; a second one means at once.
            if time.monotonic() > deadline or self._bell.stop_requests > 1:
                return False
            self.wait(0.1)
        return True


def _bury_adopted(ours: set[int]) -> None:
    """As process 1 of a container, bury orphans of others: a killed postmaster's backends, say."""
    if os.getpid() != 1:
        return
    while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if ended.si_pid in ours:
            return  # the child itself takes note
        os.waitpid(ended.si_pid, 0)
