"""What limits of storage and of runs a day count: uploads under way, and what was there before the limit."""

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from tests.support.ledger import Rooms, projecting, serving
from tests.support.seed import seed
from tracklog_artifacts.ledger import Intent, StoredFile
from tracklog_contract.artifact_places import UploadIntent
from tracklog_contract.caller import ANYONE, CALLER, Caller, Level
from tracklog_contract.errors import QUOTA, Rejected
from tracklog_contract.ids import new_run_id
from tracklog_ingest.access.principals import create_principal
from tracklog_ingest.access.quotas import quotas_of, set_quota
from tracklog_ingest.access.turn import Turn, turn_of
from tracklog_ingest.experiments import CreateExperiment
from tracklog_ingest.purge_work import recount_storage
from tracklog_ingest.runs import CreateRun
from tracklog_ingest.upload_intents import IntendUploads

HOUR_S = 3600.0
OPERATIONS = 150


class AllRights:
    """The rights of who may do everything in the workspace."""

    may_create = True
    floor = Level.MANAGE

    def known(self, experiment_id: int) -> Level | None:
        return Level.MANAGE

    async def levels(self, experiment_ids: Iterable[int]) -> dict[int, Level]:
        return dict.fromkeys(experiment_ids, Level.MANAGE)

    async def readable(self) -> None:
        return None


ADA, BOB = (Caller(name, rights=AllRights()) for name in ("ada", "bob"))


@dataclass
class Pair:
    """Two processes' rooms on one database, an operator at it, and two experiments with a run each."""

    one: Rooms
    two: Rooms
    operator: Any
    experiments: list[int] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        async with turn_of(self.operator, "") as turn:
            yield turn

    async def limit(self, scope: str, subject: object, name: str, most: int | None) -> None:
        async with self.turn() as turn:
            await set_quota(turn, scope, str(subject), name, most)

    async def used(self) -> dict[tuple[str, str, str], int]:
        async with self.turn() as turn:
            return {(q.scope, q.subject, q.name): q.used or 0 for q in await quotas_of(turn)}


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    async with projecting(database), serving(database) as one, serving(database) as two:
        operator = await asyncpg.connect(database)
        pair = Pair(one, two, operator)
        try:
            async with pair.turn() as turn:
                for who in (ADA, BOB):
                    await create_principal(turn, who.principal)
            for _ in range(2):
                number = await one.ingest.submit(CreateExperiment(uuid.uuid4().hex, None, {}, now_ms=0))
                run, _ = await one.ingest.submit(new_run(number))
                pair.experiments.append(number)
                pair.roots.append(f"{number}/{run.run_id.hex}/artifacts")
            yield pair
        finally:
            await operator.close()


def new_run(experiment_id: int) -> CreateRun:
    return CreateRun(experiment_id, new_run_id(0, 1), "", "", 0, {})


def intent(path: str, size: int, *, expires_in_s: float = HOUR_S) -> Intent:
    return Intent(tuple(path.split("/")), size, time.time() + expires_in_s)


def file(path: str, size: int) -> StoredFile:
    return StoredFile(tuple(path.split("/")), size)


@contextlib.contextmanager
def acting(who: Caller) -> Any:
    """What is asked inside is asked by `who`."""
    token = CALLER.set(who)
    try:
        yield
    finally:
        CALLER.reset(token)


async def accepted(call: Any, who: Caller = ANYONE) -> bool:
    """Whether a write was accepted; any refusal but the quota's fails."""
    try:
        with acting(who):
            await call
    except Rejected as error:
        assert error.error_code == QUOTA  # noqa: PT017 (that there is none is fine too)
        return False
    return True


@pytest.mark.parametrize("scope", ["workspace", "experiment", "principal"])
async def test_uploads_that_do_not_fit_together_are_not_all_signed(pair: Pair, scope: str) -> None:
    subject = {"workspace": "default", "experiment": pair.experiments[0], "principal": "ada"}[scope]
    await pair.limit(scope, subject, "storage_bytes", 1000)

    def intended(number: int) -> Any:
        # Those of one experiment, or of both where another scope has the limit.
        root = pair.roots[0 if scope == "experiment" else number // 2 % 2]
        return (pair.one, pair.two)[number % 2].ledger.intended([intent(f"{root}/{number}", 9)])

    outcomes = await asyncio.gather(*(accepted(intended(number), ADA) for number in range(150)))
    assert sum(outcomes) == 1000 // 9
    assert await pair.used() == {(scope, str(subject), "storage_bytes"): 999}
    # Nor is anything else taken meanwhile: what is under way must find its place.
    assert not await accepted(pair.two.ledger.stored([file(f"{pair.roots[0]}/big", 2)]), ADA)
    for root in pair.roots:
        with acting(ADA):
            coming = await pair.two.ledger.intents_below(tuple(root.split("/")), after=(), limit=200)
            done, gone = coming[::2], coming[1::2]
            await pair.one.ledger.stored([StoredFile(found.path, 9) for found in done])
            await pair.two.ledger.forgotten(gone)
    stored = (sum(outcomes) + 1) // 2 * 9
    assert await pair.used() == {(scope, str(subject), "storage_bytes"): stored}
    assert await accepted(pair.two.ledger.intended([intent(f"{pair.roots[0]}/rest", 1000 - stored)]), ADA)


async def test_an_upload_that_never_came_is_given_back_to_all_it_was_taken_from(pair: Pair) -> None:
    (number, other), (root, elsewhere) = pair.experiments, pair.roots
    limits = (("workspace", "default"), ("experiment", number), ("principal", "ada"))
    for scope, subject in limits:
        await pair.limit(scope, subject, "storage_bytes", 1000)
    with acting(ADA):
        await pair.one.ledger.intended([intent(f"{root}/{n}", 300, expires_in_s=60) for n in range(3)])
    assert set((await pair.used()).values()) == {900}
    later = UploadIntent(f"{elsewhere}/more", 1000, time.time() + HOUR_S)
    assert not await accepted(pair.two.ledger.intended([intent(f"{elsewhere}/more", 101)]), ADA)
    # Once the hour is over there is room, also where another experiment's had taken it.
    assert await accepted(pair.two.ingest.submit(IntendUploads(time.time() + 61, [later])), ADA)
    assert await pair.used() == {
        ("workspace", "default", "storage_bytes"): 1000,
        ("experiment", str(number), "storage_bytes"): 0,
        ("principal", "ada", "storage_bytes"): 1000,
    }
    # What the server itself finds there is of who had it signed, not of nobody.
    await pair.one.ledger.stored([file(f"{elsewhere}/more", 1000)])
    assert (await pair.used())["principal", "ada", "storage_bytes"] == 1000
    with acting(BOB):
        await pair.one.ledger.stored([file(f"{elsewhere}/more", 10)])
    assert (await pair.used())["principal", "ada", "storage_bytes"] == 0
    assert (await pair.used())["workspace", "default", "storage_bytes"] == 10
    await pair.limit("experiment", other, "storage_bytes", 5)
    assert (await pair.used())["experiment", str(other), "storage_bytes"] == 10


async def test_whatever_happens_storage_is_what_is_there_and_under_way(pair: Pair) -> None:
    chance = random.Random(seed("quota_counts"))
    for scope, subject in (("workspace", "default"), ("principal", "ada"), ("principal", "bob")):
        await pair.limit(scope, subject, "storage_bytes", 10_000)
    for number in pair.experiments:
        await pair.limit("experiment", number, "storage_bytes", 6_000)
    paths = [f"{root}/d{n % 2}/f{n}" for root in pair.roots for n in range(4)]
    outcomes = set()
    most_used = 0
    for operation in range(1, OPERATIONS + 1):
        ledger, who = chance.choice((pair.one, pair.two)).ledger, chance.choice((ADA, BOB, ANYONE))
        some, size = chance.sample(paths, chance.randrange(1, 4)), chance.randrange(3000)
        kind = chance.randrange(8)
        if kind < 3:
            expires_in_s = chance.choice((-1.0, 0.005, HOUR_S))
            call = ledger.intended([intent(path, size, expires_in_s=expires_in_s) for path in some])
        elif kind < 6:
            call = ledger.stored([file(path, size) for path in some])
        elif kind == 6:
            call = ledger.forgotten([intent(path, 0) for path in some])
        else:
            call = ledger.removed(tuple(some[0].split("/"))[: chance.choice((4, 5))])
        outcomes.add(await accepted(call, who))
        if operation % 15 == 0:
            counted = await pair.used()
            await recount_storage(pair.operator)
            assert await pair.used() == counted, operation
            most_used = max(most_used, *counted.values())
    assert outcomes == {True, False}
    assert most_used


async def test_runs_of_the_day_count_that_were_made_before_the_limit(pair: Pair) -> None:
    number, other = pair.experiments
    # The first of these was yesterday; no client can say so, for a run's own start is what they please.
    await pair.operator.execute(
        "set session_replication_role = replica;"
        "update tracklog_log.entry set recorded_at = recorded_at - interval '1 day'"
        f" where kind = 10 and experiment_id = {number};"
        "set session_replication_role = origin;"
    )
    for who, experiment_id in ((ADA, number), (ADA, other), (BOB, number)):
        assert await accepted(pair.one.ingest.submit(new_run(experiment_id)), who)
    limits = {("workspace", "default"): 50, ("experiment", str(number)): 20, ("principal", "ada"): 10}
    for (scope, subject), most in limits.items():
        await pair.limit(scope, subject, "runs_per_day", most)
    assert list((await pair.used()).values()) == [4, 2, 2]

    async def race(who: Caller, experiment_id: int) -> int:
        rooms = (pair.one, pair.two) * 30
        calls = (accepted(room.ingest.submit(new_run(experiment_id)), who) for room in rooms)
        return sum(await asyncio.gather(*calls))

    assert await race(ADA, other) == 8
    assert await race(BOB, number) == 18
    assert await race(BOB, other) == 50 - 4 - 8 - 18
    assert list((await pair.used()).values()) == list(limits.values())
    # Set anew, it is counted anew.
    await pair.limit("principal", "ada", "runs_per_day", None)
    await pair.limit("principal", "ada", "runs_per_day", 11)
    assert list((await pair.used()).values()) == list(limits.values())
