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
