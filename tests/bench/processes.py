"""A server's processes and the memory they hold together."""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import psutil

MIB = 2**20
QUIET_TIMEOUT_S = 180.0
_QUIET_PERIOD_S = 0.5
_QUIET_PERIODS = 3
_QUIET_SHARE = 0.15  # of one core
_COMMAND_CHARS = 150


@dataclass(frozen=True)
class Memory:
    """Bytes held by several processes. PSS counts a shared page once, divided among those that share it."""

    pss: int
    rss: int


def family(leader_pids: Sequence[int]) -> list[psutil.Process]:
    """The leaders, all their descendants, and whoever is left of the sessions they lead."""
    found: dict[int, psutil.Process] = {}
    for pid in leader_pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(pid)
            found.update((process.pid, process) for process in [leader, *leader.children(recursive=True)])
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in leader_pids:
                found.setdefault(process.pid, process)
        except ProcessLookupError:
            continue
    return list(found.values())


def memory(leader_pids: Sequence[int]) -> Memory:
    """What a server's processes hold now."""
    pss = rss = 0
    for process in family(leader_pids):
        try:
            info = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        pss += info.pss
        rss += info.rss
    return Memory(pss, rss)


def resident_by_process(leader_pids: Sequence[int]) -> dict[int, tuple[str, int]]:
    """(start of the command line, RSS in bytes) of each of a server's processes, by pid."""
    resident: dict[int, tuple[str, int]] = {}
    for process in family(leader_pids):
        try:
            # PostgreSQL pads its processes' titles.
            command = " ".join(process.cmdline()).strip(" \0") or process.name()
            resident[process.pid] = (command[:_COMMAND_CHARS], process.memory_info().rss)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return resident


def await_quiet(leader_pids: Sequence[int]) -> None:
    """Wait until a server is done with what it does after starting: MLflow's job runners load for seconds.

    Raises: TimeoutError, when it still computes after QUIET_TIMEOUT_S.
    """
    deadline = time.perf_counter() + QUIET_TIMEOUT_S
    quiet_periods, used_s = 0, processor_s(leader_pids)
    while quiet_periods < _QUIET_PERIODS:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"the server still computes {QUIET_TIMEOUT_S:.0f} s after its start")
        time.sleep(_QUIET_PERIOD_S)
        before_s, used_s = used_s, processor_s(leader_pids)
        quiet_periods = quiet_periods + 1 if used_s - before_s < _QUIET_SHARE * _QUIET_PERIOD_S else 0


def processor_s(leader_pids: Sequence[int]) -> float:
    """Processor time that a server's living processes have used."""
    used_s = 0.0
    for process in family(leader_pids):
        try:
            times = process.cpu_times()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        used_s += times.user + times.system
    return used_s


@dataclass
class MemoryWatch:
    """Samples a server's memory while open; `peak` and `samples` afterwards."""

    leader_pids: Sequence[int]
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
            self.samples.append(memory(self.leader_pids))

    @property
    def peak(self) -> Memory:
        """The highest PSS and the highest RSS seen."""
        return Memory(max(m.pss for m in self.samples), max(m.rss for m in self.samples))
