"""Remembers directories that are durable: each is synced into its parent once, not with every file in it."""

import os
import threading
from collections import OrderedDict
from typing import Final

# Held open, so few enough for any limit of open files.
DIRECTORIES_MAX: Final = 64


class DurableDirectories:
    """Directories whose place in their parent is on the disk: the last DIRECTORIES_MAX. Safe for threads.

    A directory is known by its number on its device. It is held open, so that the number is not given to
    another one: what is made at the same path after a deletion is not taken for it.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, descriptor: int) -> bool:
        """Whether this open directory was added before."""
        key = _key(descriptor)
        with self._lock:
            if key not in self._held:
                return False
            self._held.move_to_end(key)
            return True

    def add(self, descriptor: int) -> None:
        """Remember that this open directory is durable."""
        key = _key(descriptor)
        with self._lock:
            if key in self._held:
                return
            self._held[key] = os.dup(descriptor)
            oldest = self._held.popitem(last=False)[1] if len(self._held) > DIRECTORIES_MAX else None
        if oldest is not None:
            os.close(oldest)


def _key(descriptor: int) -> tuple[int, int]:
    facts = os.fstat(descriptor)
    return facts.st_dev, facts.st_ino
