"""SIGKILL of any process at any moment under load: nothing acknowledged is lost or doubled."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.api import LOST, Api
from tests.support.seed import seed
from tests.support.server import Server, end, scratch_dir, start_server
from tests.support.writers import Writer, check
from tracklog_server.embedded import socket_dsn

# In both tests together.
KILLS = 36
WRITERS = 6
# The parent too: then the whole service is started anew, by hand.
VICTIMS = ("parent", "worker", "projector", "backend", "postmaster", "backend")
COMES_BACK_S = 30.0


class Service:
    """A server on one port and data directory, killed and started again."""

    def __init__(self, directory: Path, workers: int) -> None:
        self._data_dir = directory / "data"
        self._workers = workers
        self._port = "0"
        self.server = self._start()

    def _start(self) -> Server:
        server = start_server(self._data_dir, "--port", self._port, "--workers", str(self._workers))
        server.wait_until_ready()
        self._port = server.url.rpartition(":")[2]
        return server

    def kill(self, victim: str, chance: random.Random) -> bool:
        """SIGKILL one process of a kind; False when there is none at this moment."""
        if victim == "parent":
            self.server.kill()
            assert self.server.survivors() == [], "a process outlived its parent"
            self.server = self._start()
            return True
        pids = self.server.pids_by_role()[victim]
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)
        return True

    def await_health(self) -> None:
        """The service comes back by itself."""
        deadline = time.monotonic() + COMES_BACK_S
        with Api(self.server.url, timeout_s=5) as api:
            while True:
                with contextlib.suppress(*LOST):
                    if api.call("GET", "/health").status == 200:
                        return
                assert time.monotonic() < deadline, self.server.log()[-3000:]
                time.sleep(0.05)

    def warnings(self) -> str:
        """The last warnings that the server logged."""
        lines = [line for line in self.server.log().splitlines() if '"request_served"' not in line]
        return "\n".join(lines[-40:])

    async def positions(self) -> list[int]:
        """Every position in the log, in order."""
        connection = await asyncpg.connect(socket_dsn(self._data_dir.resolve() / "postgres-socket"))
        try:
            rows = await connection.fetch("select position from tracklog_log.entry order by position")
            return [row["position"] for row in rows]
        finally:
            await connection.close()


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service that is ready; nothing of it lives on afterwards."""
    with scratch_dir() as directory:
        running = Service(directory, request.param)
        try:
            yield running
        finally:
            end(running.server)
        assert running.server.survivors() == []
        held = [
            p for p in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(p.info["cmdline"] or ())
        ]
        assert held == []


def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(service: Service) -> None:
    chance = random.Random(seed("kill"))
    with Api(service.server.url) as api:
        experiment_id = api.post("experiments/create", {"name": "killed"})["experiment_id"]
    writers = [
        Writer(service.server.url, experiment_id, chance.randrange(2**32), patience_s=2 * COMES_BACK_S)
        for _ in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    victims = list(VICTIMS) * (KILLS // 2 // len(VICTIMS))
    chance.shuffle(victims)
    for victim in victims:
        # Sometimes while it is still coming back from the last one.
        time.sleep(chance.uniform(0.1, 1.2))
        while not service.kill(victim, chance):
            time.sleep(0.01)
    service.await_health()
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(3 * COMES_BACK_S)
        assert not writer.is_alive()
    print("killed:", *victims, "requests:", sum(writer.requests for writer in writers))
    problems = [problem for writer in writers for problem in writer.problems]
    assert problems == [], service.warnings()
    _check_all(service, writers, experiment_id)


def _check_all(service: Service, writers: list[Writer], experiment_id: str) -> None:
    runs = [run for writer in writers for run in writer.runs]
    assert sum(len(run.acknowledged) for run in runs) > 500
    with Api(service.server.url) as api:
        for run in runs:
            check(api, run)
        found: list[str] = []
        token = ""
        while token or not found:
            fields = {"experiment_ids": [experiment_id], "max_results": 100, "page_token": token}
            page = api.post("runs/search", fields)
            found += [run["info"]["run_id"] for run in page["runs"]]
            token = page.get("next_page_token", "")
            if not token:
                break
    assert len(found) == len(set(found))
    assert {run.run_id for run in runs} <= set(found)
    positions = asyncio.run(service.positions())
    assert positions == list(range(1, len(positions) + 1))
