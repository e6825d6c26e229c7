"""The log's schema: written down once for reading, made by migrations, and both are the same."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from importlib import resources
from typing import Any

import asyncpg
import pytest

from tests.support.catalog import describe
from tests.support.postgres import SYSTEM_BIN, temporary_cluster, temporary_database
from tracklog_contract.errors import Rejected
from tracklog_ingest.migrate import migrate, migrations, seed

SCHEMAS = ("tracklog_meta", "tracklog_log", "tracklog_admission", "tracklog_access")


@pytest.fixture(scope="module")
def system_postgres_dsn() -> Iterator[str]:
    """The DSN of a cluster of the distribution's PostgreSQL 15, where there is one."""
    if not (SYSTEM_BIN / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed")
    with temporary_cluster(SYSTEM_BIN) as dsn:
        yield dsn


@contextlib.asynccontextmanager
async def fresh(cluster_dsn: str) -> AsyncIterator[Any]:
    """A connection to a new, empty database."""
    async with temporary_database(cluster_dsn) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            yield connection
        finally:
            await connection.close()


async def assert_same_schema(cluster_dsn: str) -> None:
    text = (resources.files("tracklog_ingest") / "schema.sql").read_text(encoding="utf-8")
    async with fresh(cluster_dsn) as migrated, fresh(cluster_dsn) as written:
        await migrate(migrated)
        await written.execute(text)
        assert await describe(written, SCHEMAS) == await describe(migrated, SCHEMAS)
        heads = "select partition, position from tracklog_log.head"
        assert await written.fetch(heads) == await migrated.fetch(heads)


async def test_the_written_schema_is_what_the_migrations_make(postgres_dsn: str) -> None:
    await assert_same_schema(postgres_dsn)


async def test_the_same_on_postgresql_15(system_postgres_dsn: str) -> None:
    await assert_same_schema(system_postgres_dsn)


async def test_a_difference_is_seen(postgres_dsn: str) -> None:
    changes = (
        "alter table tracklog_log.entry alter column payload set storage main",
        "alter table tracklog_admission.run alter column tags drop not null",
        "alter table tracklog_admission.run set (fillfactor = 51)",
        "drop trigger entry_is_never_truncated on tracklog_log.entry",
        "drop index tracklog_admission.run_by_experiment",
        "alter sequence tracklog_admission.experiment_id increment 2",
        "alter function tracklog_log.refuse_change() security definer",
    )
    async with fresh(postgres_dsn) as connection:
        await migrate(connection)
        for change in changes:
            before = await describe(connection, SCHEMAS)
            await connection.execute(change)
            assert await describe(connection, SCHEMAS) != before, change


def test_migrations_are_numbered_and_say_when_they_apply() -> None:
    names = list(migrations())
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql", name) for name in names)


async def test_servers_that_start_together_migrate_and_seed_once(database: str) -> None:
    async def start() -> None:
        connection = await asyncpg.connect(database)
        try:
            await migrate(connection)
            await seed(connection)
        finally:
            await connection.close()

    await asyncio.gather(*(start() for _ in range(6)))
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("select count(*) from tracklog_meta.migration") == len(migrations())
        assert await connection.fetchval("select count(*) from tracklog_log.entry") == 1
        assert await connection.fetchval("select position from tracklog_log.head") == 1
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("insert into tracklog_meta.migration values ('9999_pre_later.sql', '')", "newer tracklog"),
        ("update tracklog_meta.migration set digest = 'another'", "another build"),
        ("drop schema tracklog_meta cascade", "did not make"),
    ],
)
async def test_a_database_of_another_make_is_refused(database: str, change: str, complaint: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await migrate(connection)
        await connection.execute(change)
        before = await describe(connection, SCHEMAS)
        with pytest.raises(Rejected, match=complaint):
            await migrate(connection)
        assert await describe(connection, SCHEMAS) == before
    finally:
        await connection.close()
