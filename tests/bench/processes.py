"""A server's processes and the memory they hold together."""

import os
import threading
from dataclasses import dataclass, field
from typing import Self

import psutil

MIB = 2**20
_COMMAND_CHARS = 150


@dataclass(frozen=True)
class Memory:
    """Bytes held by several processes. PSS counts a shared page once, divided among those that share it."""

    pss: int
    rss: int


def family(leader_pid: int) -> list[psutil.Process]:
    """The leader, all its descendants, and whoever is left of the session it leads."""
    found: dict[int, psutil.Process] = {}
    try:
        leader = psutil.Process(leader_pid)
        found = {process.pid: process for process in [leader, *leader.children(recursive=True)]}
    except psutil.NoSuchProcess:
        pass
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader_pid:
                found.setdefault(process.pid, process)
        except ProcessLookupError:
            continue
    return list(found.values())


def memory(leader_pid: int) -> Memory:
    """What a server's processes hold now."""
    pss = rss = 0
    for process in family(leader_pid):
        try:
            info = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        pss += info.pss
        rss += info.rss
    return Memory(pss, rss)


def resident_by_process(leader_pid: int) -> dict[int, tuple[str, int]]:
    """(start of the command line, RSS in bytes) of each of a server's processes, by pid."""
    resident: dict[int, tuple[str, int]] = {}
    for process in family(leader_pid):
        try:
            # PostgreSQL pads its processes' titles.
            command = " ".join(process.cmdline()).strip(" \0") or process.name()
            resident[process.pid] = (command[:_COMMAND_CHARS], process.memory_info().rss)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return resident


@dataclass
class MemoryWatch:
    """Samples a server's memory while open; `peak` and `samples` afterwards."""

    leader_pid: int
    period_s: float = 0.5
    samples: list[Memory] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._sample, name="memory-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self.period_s):
            self.samples.append(memory(self.leader_pid))

    @property
    def peak(self) -> Memory:
        """The highest PSS and the highest RSS seen."""
        return Memory(max(m.pss for m in self.samples), max(m.rss for m in self.samples))
