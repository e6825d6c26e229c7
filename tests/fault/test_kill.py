"""SIGKILL of any process at any moment under load: nothing acknowledged is lost or doubled."""

import asyncio
import random
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.support.api import Api
from tests.support.seed import seed
from tests.support.server import end, scratch_dir
from tests.support.service import COMES_BACK_S, Service
from tests.support.writers import Writer, check

# In both tests together.
KILLS = 36
WRITERS = 6
# The parent too: then the whole service is started anew, by hand.
VICTIMS = ("parent", "worker", "projector", "backend", "postmaster", "backend")


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
