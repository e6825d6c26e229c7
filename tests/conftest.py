"""Fixtures that any test may ask for; none costs anything until it is asked for."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.postgres import temporary_cluster, temporary_database


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """The DSN of a throwaway PostgreSQL 18 cluster that all tests of the session share."""
    with temporary_cluster() as dsn:
        yield dsn


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[str]:
    """The DSN of a fresh, empty database."""
    async with temporary_database(postgres_dsn) as dsn:
        yield dsn
