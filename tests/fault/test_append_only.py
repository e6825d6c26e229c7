"""The log is append-only and stores a producer's batch once, and it is the database that says so."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tracklog_ingest.migrate import migrate, seed

INSERT = """
insert into tracklog_log.entry (
    partition, position, experiment_id, kind, version, workspace, principal, payload,
    producer_id, producer_seq
)
values (0, $1, 0, 999, 1, 'default', '', '', $2, $3)
"""
ENTRIES = "select * from tracklog_log.entry order by position"


@pytest.fixture
async def log(database: str) -> AsyncIterator[Any]:
    """A connection, as the owner of everything, to a database whose log has three entries."""
    connection = await asyncpg.connect(database)
    try:
        await migrate(connection)
        await seed(connection)
        for position in (2, 3):
            await connection.execute(INSERT, position, None, None)
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "update tracklog_log.entry set payload = 'x' where position = 2",
        "update tracklog_log.entry set position = position + 10",
        "delete from tracklog_log.entry where position = 3",
        "delete from tracklog_log.entry",
        "truncate tracklog_log.entry",
        "truncate tracklog_log.entry, tracklog_admission.run",
        "merge into tracklog_log.entry as e using (select 2) as g on position = 2 when matched then delete",
        """
        insert into tracklog_log.entry select * from tracklog_log.entry where position = 2
        on conflict (partition, position) do update set payload = 'x'
        """,
    ],
)
async def test_an_entry_cannot_be_changed_or_removed(log: Any, statement: str) -> None:
    before = await log.fetch(ENTRIES)
    with pytest.raises(asyncpg.RestrictViolationError, match="the event log is append-only"):
        await log.execute(statement)
    assert await log.fetch(ENTRIES) == before
    assert len(before) == 3


async def test_a_position_is_taken_once(log: Any) -> None:
    with pytest.raises(asyncpg.UniqueViolationError, match="entry_pkey"):
        await log.execute(INSERT, 2, None, None)


async def test_a_producers_sequence_number_is_stored_once(log: Any) -> None:
    producer, another = uuid.uuid4(), uuid.uuid4()
    await log.execute(INSERT, 4, producer, 7)
    with pytest.raises(asyncpg.UniqueViolationError, match="entry_by_producer"):
        await log.execute(INSERT, 5, producer, 7)
    await log.execute(INSERT, 5, producer, 8)
    await log.execute(INSERT, 6, another, 7)
    assert await log.fetchval("select count(*) from tracklog_log.entry where producer_id is not null") == 3


@pytest.mark.parametrize(("producer", "sequence"), [(uuid.UUID(int=1), None), (None, 1)])
async def test_a_producer_and_its_sequence_number_come_together(
    log: Any, producer: uuid.UUID | None, sequence: int | None
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await log.execute(INSERT, 4, producer, sequence)


RUN, OTHER = uuid.uuid4(), uuid.uuid4()
OF_RUN = """
insert into tracklog_log.entry (
    partition, position, experiment_id, run_id, kind, version, workspace, principal, payload
)
values (0, $1, 0, $2, $3, 1, 'default', '', '0123')
"""
LOGGED, PURGED = 14, 42
TOMBSTONE = "update tracklog_log.entry set kind = 0, version = 1, payload = 'gone'"


@pytest.fixture
async def purged(log: Any) -> Any:
    """A log where a run has 4 to 7: logged, another event, its purge, and logged after it; 8 is another's."""
    rows = ((4, RUN, LOGGED), (5, RUN, 10), (6, RUN, PURGED), (7, RUN, LOGGED), (8, OTHER, LOGGED))
    for row in rows:
        await log.execute(OF_RUN, *row)
    return log


async def test_what_a_run_logged_becomes_a_tombstone_once_it_is_purged(purged: Any) -> None:
    before = await purged.fetch(ENTRIES)
    assert await purged.execute(f"{TOMBSTONE} where position = 4") == "UPDATE 1"
    after = await purged.fetch(ENTRIES)
    changed = [dict(row) for old, row in zip(before, after, strict=True) if old != row]
    assert changed == [{**before[3], "kind": 0, "version": 1, "payload": b"gone"}]


@pytest.mark.parametrize(
    "statement",
    [
        # Not what a run logged; logged after the purge; of a run that is not purged; all at once.
        f"{TOMBSTONE} where position = 5",
        f"{TOMBSTONE} where position = 7",
        f"{TOMBSTONE} where position = 8",
        TOMBSTONE,
        # More than a tombstone.
        "update tracklog_log.entry set kind = 0, payload = repeat('x', 65)::bytea where position = 4",
        f"{TOMBSTONE}, run_id = null where position = 4",
        f"{TOMBSTONE}, principal = 'me' where position = 4",
        f"{TOMBSTONE}, recorded_at = now() where position = 4",
        f"{TOMBSTONE}, position = 100 where position = 4",
        # Not one at all.
        "update tracklog_log.entry set payload = 'x' where position = 4",
        "update tracklog_log.entry set kind = 11, payload = 'x' where position = 4",
        "delete from tracklog_log.entry where position = 4",
        "update tracklog_log.entry set payload = 'x' where position = 6",
    ],
)
async def test_nothing_else_of_a_purged_run_can_be_changed(purged: Any, statement: str) -> None:
    before = await purged.fetch(ENTRIES)
    with pytest.raises(asyncpg.RestrictViolationError, match="the event log is append-only"):
        await purged.execute(statement)
    assert await purged.fetch(ENTRIES) == before


async def test_a_tombstone_stays(purged: Any) -> None:
    await purged.execute(f"{TOMBSTONE} where position = 4")
    before = await purged.fetch(ENTRIES)
    for statement in (
        f"{TOMBSTONE} where position = 4",
        "update tracklog_log.entry set kind = 14, payload = '0123' where position = 4",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await purged.execute(statement)
    assert await purged.fetch(ENTRIES) == before
