"""When the views or the database cannot follow, writers are slowed, then refused at once; nothing is lost."""

import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import asyncpg
import psutil
import pytest

from tests.support.api import PREFIX, Api
from tests.support.rooms import appending, new_run, points_of, prepare
from tests.support.server import Server, running_server
from tracklog_contract.errors import Busy, Rejected, TracklogError, Unavailable
from tracklog_ingest.append import LOST_CONNECTION, AppendConfig, Appender
from tracklog_ingest.runs import DeleteRunTag, LogToRun, SetRunDeleted
from tracklog_ingest.state import SQL

# How soon writers are refused, and reads answered, is measured.
pytestmark = pytest.mark.alone

MIB = 2**20


class Gate:
    """Views that stand still until they are opened."""

    def __init__(self) -> None:
        self.position = 0
        self._opened = asyncio.Event()

    async def reach(self, position: int, *, timeout_s: float) -> bool:
        """As the real views do, on their way to everything once opened."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._opened.wait(), timeout_s)
        return self._opened.is_set()

    def open(self) -> None:
        """Be up to date from now on."""
        self.position = 2**62
        self._opened.set()


@contextlib.asynccontextmanager
async def held_back(dsn: str, config: AppendConfig) -> AsyncIterator[tuple[Appender, Gate, str]]:
    """An appender that holds back every further group until the gate is opened, and a run."""
    await prepare(dsn)
    gate = Gate()
    async with appending(dsn, views=gate, config=config) as appender:
        run_id = await new_run(appender, "held back")
        await asyncio.sleep(2 * config.views_lag_max_s)
        yield appender, gate, run_id.hex


async def transactions(dsn: str) -> Counter[str]:
    """How many points' entries each transaction appended."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select xmin::text as x from tracklog_log.entry where kind = 14")
        return Counter(row["x"] for row in rows)
    finally:
        await connection.close()


def log_point(run_id: str, number: int, payload_bytes: int = 0) -> LogToRun:
    return LogToRun(run_id, points_of("k", [number]), payload_bytes=payload_bytes)


async def test_a_full_queue_of_commands_refuses_at_once_and_keeps_what_it_has(database: str) -> None:
    config = AppendConfig(queue_commands_max=10, group_commands_max=4, views_lag_max_s=0.05)
    async with held_back(database, config) as (appender, gate, run_id):
        taken = [asyncio.create_task(appender.submit(log_point(run_id, 0)))]
        await asyncio.sleep(0.01)  # the loop has this one in hand, apart from the queue
        taken += [asyncio.create_task(appender.submit(log_point(run_id, n))) for n in range(1, 11)]
        await asyncio.sleep(0.01)
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(Busy) as caught:
                await asyncio.wait_for(appender.submit(log_point(run_id, 99)), 5)
            assert time.monotonic() - started < 0.05
            assert caught.value.retry_after_s >= 1
        assert not any(task.done() for task in taken)
        gate.open()
        assert await asyncio.gather(*taken) == [None] * 11
        await appender.submit(log_point(run_id, 100))
    # Eleven of them in groups of at most four, and the last one alone; none of the refused.
    assert sorted((await transactions(database)).values()) == [1, 1, 2, 4, 4]


async def test_a_queue_full_of_bytes_refuses_at_once(database: str) -> None:
    config = AppendConfig(queue_bytes_max=1000, group_bytes_max=500, views_lag_max_s=0.05)
    async with held_back(database, config) as (appender, gate, run_id):
        taken = [asyncio.create_task(appender.submit(log_point(run_id, n, 300))) for n in range(3)]
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await asyncio.wait_for(appender.submit(log_point(run_id, 99, 101)), 5)
        small = asyncio.create_task(appender.submit(log_point(run_id, 3, 100)))
        await asyncio.sleep(0.01)
        gate.open()
        await asyncio.gather(*taken, small)
        # What was answered has made room again, all of it.
        await appender.submit(log_point(run_id, 4, 1000))
    assert sum((await transactions(database)).values()) == 5


async def test_a_client_that_left_does_not_hold_up_others(database: str) -> None:
    config = AppendConfig(views_lag_max_s=0.05)
    async with held_back(database, config) as (appender, gate, run_id):
        left = asyncio.create_task(appender.submit(log_point(run_id, 0, 10)))
        stays = asyncio.create_task(appender.submit(log_point(run_id, 1, 10)))
        await asyncio.sleep(0.01)
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await left
        gate.open()
        await stays
        await asyncio.wait_for(appender.drain(), 5)
        assert left.cancelled()
    # What was already taken from the one that left may be stored; what the other sent is.
    assert sum((await transactions(database)).values()) == 2


async def in_one_group(appender: Appender, gate: Gate, commands: list[Any]) -> list[BaseException | Any]:
    """The outcomes of commands that the appender decides together."""
    first = asyncio.create_task(appender.submit(commands[0]))
    rest = [asyncio.create_task(appender.submit(command)) for command in commands[1:]]
    await asyncio.sleep(0.01)
    gate.open()
    return await asyncio.gather(first, *rest, return_exceptions=True)


async def test_a_refused_command_does_not_spoil_its_group(database: str) -> None:
    config = AppendConfig(views_lag_max_s=0.05)
    async with held_back(database, config) as (appender, gate, run_id):
        commands = [
            log_point(run_id, 0),
            LogToRun("f" * 32, points_of("k", [1])),
            DeleteRunTag(run_id, "no such tag"),
            LogToRun(run_id, params={"p": "1"}),
            LogToRun(run_id, params={"p": "2"}),
            log_point(run_id, 2),
        ]
        outcomes = await in_one_group(appender, gate, commands)
    assert [isinstance(outcome, Rejected) for outcome in outcomes] == [False, True, True, False, True, False]
    assert list((await transactions(database)).values()) == [3]


async def test_a_command_that_the_database_refuses_does_not_spoil_its_group(database: str) -> None:
    config = AppendConfig(views_lag_max_s=0.05)
    async with held_back(database, config) as (appender, gate, run_id):
        # PostgreSQL's text cannot hold a NUL; requests with one are refused long before they come here.
        commands = [log_point(run_id, 0), LogToRun(run_id, tags={"t": "v", "\0": "v"}), log_point(run_id, 1)]
        outcomes = await in_one_group(appender, gate, commands)
        assert outcomes[0] is outcomes[2] is None
        assert type(outcomes[1]) is TracklogError
        await appender.submit(SetRunDeleted(run_id, deleted=True, now_ms=0))
    assert sum((await transactions(database)).values()) == 2


async def test_without_a_database_the_outcome_is_unknown_and_the_queue_goes_on(database: str) -> None:
    config = AppendConfig(views_lag_max_s=0.05, append_timeout_s=0.5)
    async with held_back(database, config) as (appender, gate, run_id):
        gate.open()
        blocker = await asyncpg.connect(database)
        try:
            async with blocker.transaction():
                await blocker.execute("select from tracklog_log.head for update")
                started = time.monotonic()
                with pytest.raises(Unavailable):
                    await appender.submit(log_point(run_id, 0))
                assert time.monotonic() - started < 3
        finally:
            await blocker.close()
        await appender.submit(log_point(run_id, 1))
    # The first may be there, once: that is what "unknown" means.
    assert sum((await transactions(database)).values()) in (1, 2)


async def test_a_writer_that_stands_still_in_its_turn_loses_it(database: str) -> None:
    async with held_back(database, AppendConfig()) as (appender, gate, run_id):
        gate.open()
        stuck = await asyncpg.connect(database)
        try:
            await stuck.execute(SQL["plan_by_key"])
            await stuck.execute(SQL["lock_head"])
            await asyncio.wait_for(appender.submit(log_point(run_id, 0)), 9)
            with pytest.raises((asyncpg.PostgresError, *LOST_CONNECTION)):
                await stuck.execute("commit")
        finally:
            stuck.terminate()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own."""
    with running_server() as running:
        yield running


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that stands still, and goes on afterwards."""
    process = psutil.Process(pid)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def made_run(api: Api) -> str:
    """A new run's id."""
    created = api.post("runs/create", {"experiment_id": "0", "start_time": 0})
    return str(created["run"]["info"]["run_id"])


async def test_reads_wait_for_their_own_run_only(server: Server) -> None:
    (projector,) = server.pids_by_role()["projector"]
    with Api(server.url) as api:
        folded, lagging = made_run(api), made_run(api)
        api.get("runs/get", {"run_id": folded})
        with stopped(projector):
            api.post("runs/set-tag", {"run_id": lagging, "key": "t", "value": "v"})
            async with aiohttp.ClientSession(
                server.url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(60)
            ) as session:
                # More than a worker has connections to the database.
                waiting = [asyncio.create_task(_get_run(session, lagging)) for _ in range(40)]
                await asyncio.sleep(1)
                started = time.monotonic()
                assert (await _get_run(session, folded))["info"]["run_id"] == folded
                assert time.monotonic() - started < 1
                assert not any(task.done() for task in waiting)
                psutil.Process(projector).send_signal(signal.SIGCONT)
                for run in await asyncio.gather(*waiting):
                    assert {"key": "t", "value": "v"} in run["data"]["tags"]


async def _get_run(session: aiohttp.ClientSession, run_id: str) -> Any:
    async with session.get(PREFIX + "runs/get", params={"run_id": run_id}) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["run"]


async def test_without_a_projector_writers_are_slowed_then_refused_and_nothing_is_lost(
    server: Server,
) -> None:
    roles = server.pids_by_role()
    (projector,), (worker,) = roles["projector"], roles["worker"]
    with Api(server.url) as api:
        run_id = made_run(api)
    # About 300 kB a request, so that 64 MiB are waiting long before so many commands are.
    key = "k" * 250
    async with aiohttp.ClientSession(
        server.url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(100)
    ) as session:

        async def write(number: int) -> tuple[int, int, float]:
            steps = range(1000 * number, 1000 * (number + 1))
            metrics = [{"key": key, "value": 1.0, "timestamp": step, "step": step} for step in steps]
            body = json.dumps({"run_id": run_id, "metrics": metrics}).encode()
            started = time.monotonic()
            headers = {"Content-Type": "application/json"}
            async with session.post(PREFIX + "runs/log-batch", data=body, headers=headers) as answer:
                if answer.status == 503:
                    assert int(answer.headers["Retry-After"]) >= 1
                    assert (await answer.json())["error_code"] == "TEMPORARILY_UNAVAILABLE"
                else:
                    assert answer.status == 200, await answer.text()
            return number, answer.status, time.monotonic() - started

        for number in range(3):
            assert (await write(number))[1] == 200
        with stopped(projector):
            # The views stand still: for about a second writes go on, then they wait.
            slowed = asyncio.create_task(_until_slowed(write, 3))
            await asyncio.sleep(2.5)
            assert not slowed.done()
            await asyncio.sleep(0)
            flood = [asyncio.create_task(write(number)) for number in range(1000, 1300)]
            await asyncio.sleep(4)
            full = psutil.Process(worker).memory_info().rss
            refused = [task.result() for task in flood if task.done()]
            assert {status for _, status, _ in refused} == {503}
            assert 30 <= len(refused) <= 150
            # Once it is full, a refusal comes at once, and memory stays where it is.
            for turn in range(40):
                again = await asyncio.gather(*(write(2000 + 4 * turn + n) for n in range(4)))
                assert [status for _, status, _ in again] == [503] * 4
                assert max(elapsed_s for _, _, elapsed_s in again) < 1.5
            assert psutil.Process(worker).memory_info().rss - full < 32 * MIB
            assert full < 400 * MIB
        accepted = {number for number, status, _ in await asyncio.gather(*flood) if status == 200}
        accepted |= await slowed | {0, 1, 2}
    assert len(accepted) >= 150
    with Api(server.url) as api:
        found = api.get("metrics/get-history", {"run_id": run_id, "metric_key": key})["metrics"]
    steps = [point["step"] for point in found]
    assert len(steps) == len(set(steps))
    assert sorted({step // 1000 for step in steps}) == sorted(accepted)
    assert len(steps) == 1000 * len(accepted)


async def _until_slowed(write: Any, first: int) -> set[int]:
    """Write one after the other until an answer takes its time; which were accepted."""
    accepted = set()
    for number in range(first, 1000):
        _, status, elapsed_s = await write(number)
        assert status == 200
        accepted.add(number)
        if elapsed_s > 0.9:
            return accepted
    raise AssertionError("nothing held the writer back")
