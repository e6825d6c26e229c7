"""Finds out in the background whether a server is tracklog's and lets this user log to it natively."""

import http.client
import logging
import os
import threading
import time
import weakref
from typing import Final

from tracklog.post import Post

_log = logging.getLogger("tracklog")

TIMEOUT_S: Final = 3.0
# A server that gave no answer is asked again, at most so often, and only while somebody uses it.
ASK_AGAIN_S: Final = 10.0


class Probe:
    """What is known about one server; asks once, by the way the sender goes, and never makes anyone wait.

    So a server is taken only where the sender will get through: past proxies, by its certificate, with the
    credentials of the environment.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._answer: bool | None = None
        self._begin_anew()
        _probes.add(self)

    def _begin_anew(self) -> None:
        self._asking = threading.Lock()
        self._not_before = 0.0

    def is_tracklog(self) -> bool | None:
        """Is it tracklog's; None as long as that is not known, and then it is asked in the background."""
        if self._answer is None:
            self._ask_in_background()
        return self._answer

    def _ask_in_background(self) -> None:
        if time.monotonic() < self._not_before or not self._asking.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._find_out, name="tracklog-probe", daemon=True).start()
        except RuntimeError:
            # No threads any more: the program is ending.
            self._asking.release()

    def _find_out(self) -> None:
        try:
            self._answer = self._ask()
        finally:
            self._not_before = time.monotonic() + ASK_AGAIN_S
            self._asking.release()

    def _ask(self) -> bool | None:
        """Is it tracklog's and open to us; None where it gave no answer of its own."""
        post = Post(self._url, os.environ, timeout_s=TIMEOUT_S)
        try:
            answer = post.ask()
        except (OSError, ValueError, http.client.HTTPException) as error:
            # A ValueError is a proxy's address in the environment that cannot be read.
            _log.debug("%s cannot be asked whether it is tracklog's: %s", self._url, error)
            return None
        finally:
            post.close()
        if "tracklog-version" in answer.headers:
            return answer.status not in (401, 403)
        # A balancer in front of nothing answers for nobody.
        return None if answer.status >= 500 else False


_probes: "weakref.WeakSet[Probe]" = weakref.WeakSet()


def _forget_parent() -> None:
    # The thread that asks is not in the child.
    for probe in list(_probes):
        probe._begin_anew()  # noqa: SLF001 - the class's own other half


os.register_at_fork(after_in_child=_forget_parent)
