"""SIGKILL of programs, senders and servers in random order: what was logged arrives, each value once."""

import asyncio
import contextlib
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.api import Api
from tests.support.seed import seed
from tests.support.server import end, scratch_dir
from tests.support.service import Service
from tests.support.spools import segments, sender_logs, senders, start_program, sync
from tracklog_contract.events import RunLogged
from tracklog_projector.tail import read_after

KILLS = int(os.environ.get("CLIENT_KILLS", "15"))
PROGRAMS = 3
# A server takes seconds to come back; the others are killed more often.
VICTIMS = ("program", "sender", "program", "sender", "server")

# Says what it has logged only after it has: what it says must arrive, and at most one step more.
PROGRAM = """
    import os, sys, time, tracklog
    url, run_id, key, told = sys.argv[1:]
    run = tracklog.resume(run_id, url, experiment="killed")
    told = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    step = 0
    while True:
        run.log({key: step, key + "/half": step / 2}, step=step)
        if step % 50 == 0:
            run.log_series(key + "/series", step, range(step, step + 50))
        os.write(told, b"%d\\n" % step)
        step += 1
        time.sleep(0.002)
"""


@dataclass
class Program:
    """A training program and the file in which it says how far it has come."""

    key: str
    told: Path
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()
        self.process.communicate()

    def steps(self) -> int:
        """How many steps it has said that it logged."""
        return len(self.told.read_text().splitlines()) if self.told.exists() else 0


class Programs:
    """Programs that log to a few runs; one that is killed is followed by another."""

    def __init__(self, url: str, directory: Path, chance: random.Random) -> None:
        self.all: list[Program] = []
        self.run_ids = [f"{chance.randrange(2**128):032x}" for _ in range(2)]
        self._url, self._directory, self._chance = url, directory, chance
        self.living = [self._start() for _ in range(PROGRAMS)]

    def kill_one(self) -> None:
        """SIGKILL one, and start its successor."""
        victim = self.living.pop(self._chance.randrange(len(self.living)))
        victim.kill()
        self.living.append(self._start())

    def kill_all(self) -> None:
        """SIGKILL what is left."""
        for program in self.living:
            program.kill()
        self.living = []

    def run_of(self, program: Program) -> str:
        """The run to which a program logs."""
        return self.run_ids[self.all.index(program) % len(self.run_ids)]

    def _start(self) -> Program:
        number = len(self.all)
        key, told = f"k{number}", self._directory / f"{number}.told"
        run_id = self.run_ids[number % len(self.run_ids)]
        program = Program(key, told, start_program(PROGRAM, self._url, run_id, key, str(told)))
        self.all.append(program)
        return program


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that is ready."""
    with scratch_dir() as directory:
        running = Service(directory, 1)
        try:
            yield running
        finally:
            end(running.server)


async def logged(dsn: str) -> dict[str, Counter[tuple[str, int, float]]]:
    """Every point in the log by run, as often as it stands there; readers would see a doubled one once."""
    found: dict[str, Counter[tuple[str, int, float]]] = {}
    connection = await asyncpg.connect(dsn)
    try:
        position = 0
        while entries := await read_after(connection, position):
            position = entries[-1].position
            for entry in entries:
                if not isinstance(entry.event, RunLogged) or entry.run_id is None:
                    continue
                points = entry.event.points
                keys = [k for k, n in zip(points.keys, points.counts, strict=True) for _ in range(n)]
                steps, values = memoryview(points.steps).cast("q"), memoryview(points.values).cast("d")
                found.setdefault(entry.run_id.hex, Counter()).update(zip(keys, steps, values, strict=True))
    finally:
        await connection.close()
    return found


def check(points: Counter[tuple[str, int, float]], program: Program) -> int:
    """A program's points are all there, once; how many there are."""
    of_program = {point: n for point, n in points.items() if point[0].split("/")[0] == program.key}
    assert set(of_program.values()) <= {1}, "a point was stored twice"
    steps = sorted(step for key, step, _ in of_program if key == program.key)
    # The kill may have come between the record and the line that tells of it.
    assert program.steps() <= len(steps) <= program.steps() + 1, (program.key, program.steps(), len(steps))
    assert steps == list(range(len(steps)))
    halves = sorted((step, value) for key, step, value in of_program if key == f"{program.key}/half")
    assert halves == [(step, step / 2) for step in steps]
    series = sorted((step, value) for key, step, value in of_program if key == f"{program.key}/series")
    assert [step for step, _ in series] == [value for _, value in series] == list(range(len(series)))
    assert (program.steps() + 49) // 50 * 50 <= len(series) <= len(steps) + 50
    return len(of_program)


def kill(victim: str, service: Service, programs: Programs, spool: Path, chance: random.Random) -> None:
    if victim == "program":
        programs.kill_one()
    elif victim == "sender":
        for process in senders(spool):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    else:
        service.kill("parent", chance)


def test_what_was_logged_arrives_once_whatever_is_killed(service: Service, spool: Path) -> None:
    chance = random.Random(seed("client kill"))
    with scratch_dir() as directory:
        programs = Programs(service.server.url, directory, chance)
        try:
            victims = [VICTIMS[n % len(VICTIMS)] for n in range(KILLS)]
            chance.shuffle(victims)
            for victim in victims:
                time.sleep(chance.uniform(0.05, 0.8))
                print("kills", victim)
                kill(victim, service, programs, spool, chance)
        finally:
            programs.kill_all()
        for process in senders(spool):
            process.kill()
        service.await_health()
        code, said = sync(str(spool))
        assert code == 0, said + sender_logs(spool)
        assert segments(spool) == []
        found = asyncio.run(logged(service.dsn))
        points = [check(found[programs.run_of(program)], program) for program in programs.all]
        assert sum(points) > 1000
        assert sum(points) == sum(counter.total() for counter in found.values())
        with Api(service.server.url) as api:
            for run_id in programs.run_ids:
                assert api.get("runs/get", {"run_id": run_id})["run"]["info"]["status"] == "RUNNING"
    assert "Traceback" not in sender_logs(spool)
