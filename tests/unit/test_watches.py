"""What is told of a database that is away: its loss once, however often it is asked, and each loss anew."""

import asyncio
import contextlib
from collections import deque

import pytest
from structlog.testing import capture_logs

from tracklog_projector.checkpoints import Checkpoints
from tracklog_server.access import authenticator, request_rates
from tracklog_server.postgres_files import reason_in

AWAY = ConnectionError("refused")
ANSWERS = (AWAY, AWAY, AWAY, 0, AWAY, AWAY)


class Pool:
    """Gives these answers, or raises them, and never answers after the last."""

    def __init__(self):
        self.answers = deque(ANSWERS)
        self.done = asyncio.Event()

    async def fetchval(self, *_, **__):
        if not self.answers:
            self.done.set()
            await asyncio.Event().wait()
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def run_through(watch, pool):
    with capture_logs() as told:
        task = asyncio.create_task(watch)
        await asyncio.wait_for(pool.done.wait(), 5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return [line["event"] for line in told]


@pytest.mark.parametrize(
    ("module", "make", "event"),
    [
        (request_rates, request_rates.RequestRates, "quota_watch_lost"),
        (authenticator, authenticator.Authenticator, "access_watch_lost"),
    ],
    ids=["quotas", "access"],
)
async def test_a_loss_is_told_once(module, make, event, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.0)
    pool = Pool()
    assert await run_through(make(pool).run(), pool) == [event, event]


async def test_a_reason_is_told_once(monkeypatch):
    pool, checkpoints = Pool(), Checkpoints("postgresql://nowhere/")
    reasons = deque([ConnectionError("closed"), AWAY, AWAY, ConnectionError("closed")])

    async def follow():
        if not reasons:
            pool.done.set()
            await asyncio.Event().wait()
        raise reasons.popleft()

    async def sleep(_):
        pass

    monkeypatch.setattr(checkpoints, "_follow", follow)
    monkeypatch.setattr("tracklog_projector.checkpoints.asyncio.sleep", sleep)
    assert await run_through(checkpoints.run(), pool) == ["checkpoint_watch_lost"] * 3


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("ok\ninitdb: error: no room\ninitdb: removing contents of x\n", "initdb: error: no room"),
        ("running ... FATAL:  full\nchild process exited\ninitdb: removing x", "running ... FATAL:  full"),
        ("creating\nBus error\n\n", "Bus error"),
        ("", "it said nothing"),
    ],
)
def test_of_what_initdb_prints_its_reason_is_told(output, reason):
    assert reason_in(output) == reason
